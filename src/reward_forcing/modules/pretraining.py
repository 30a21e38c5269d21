"""Training a bidirectional teacher by flow matching."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from reward_forcing import seeding
from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.flow import add_noise, stratified_sigma
from reward_forcing.losses.flow_matching import flow_matching
from reward_forcing.modules import sharding
from reward_forcing.modules.steps import Batch, Recipe, Scalars, learn, prefixed, prepare_text
from reward_forcing.networks.wan import WanTransformer


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A part of the training, on clips cut into pieces: what short ones teach need not be learned from long ones.

    Args:
        frames: frames of a piece; clips are cut into as many as fit, so a step costs about the same in every lesson.
        shift: how far noise levels lean towards 1; longer pieces say more about each frame and can bear more.
        until: share of the training after which the lesson ends.

    Raises:
        ValueError: a number is out of range.
    """

    frames: int
    shift: float
    until: float = 1.0

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 < self.until <= 1:
            raise ValueError(f"lesson: frames is {self.frames}, until {self.until}; allowed: at least 1, within (0, 1]")

    def cut(self, clips: Tensor) -> Tensor:
        """Pieces of clips [clip, frame, ...]; frames that do not fill a piece are left out."""
        whole = clips.shape[1] // self.frames
        pieces: Tensor = clips[:, : whole * self.frames].unflatten(1, (whole, self.frames)).flatten(0, 1)
        return pieces


def lesson_at(lessons: Sequence[Lesson], progress: float) -> Lesson:
    """The lesson that is on after this share of the training."""
    return next((lesson for lesson in lessons if progress < lesson.until), lessons[-1])


class Pretraining(LightningModule):
    """A teacher learns the velocity of real clips, each clip at one noise level.

    Args:
        teacher: the network.
        text: encodes prompts.
        recipe: how the teacher is optimised.
        seed: of all randomness.
        lessons: one after the other, the last up to the end.
        steps: length of the training, of which lessons are shares.
        prompt_dropout: share of clips trained without their prompt, for classifier-free guidance.
    """

    def __init__(
        self,
        *,
        teacher: WanTransformer,
        text: TextEncoder,
        recipe: Recipe,
        seed: int,
        lessons: Sequence[Lesson],
        steps: int,
        prompt_dropout: float,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.teacher = teacher
        self.teacher_ema = copy.deepcopy(teacher).requires_grad_(requires_grad=False)
        self.text, self.recipe, self.seed = text, recipe, seed
        self.lessons, self.steps, self.prompt_dropout = tuple(lessons), steps, prompt_dropout

    def configure_model(self) -> None:
        """Split the networks, where the strategy asks for it."""
        sharding.shard_all(self, [self.teacher, self.teacher_ema])

    def on_fit_start(self) -> None:
        """See to it that all prompts are encoded."""
        prepare_text(self, self.text, self.teacher)

    def training_step(self, batch: Batch, batch_idx: int) -> Scalars:  # noqa: ARG002 (Lightning's name)
        """One optimiser step on clips: `latents`, their loss weights `emphasis`, and `prompts`."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, Optimizer)
        return prefixed("teacher", learn(self, optimizer, self.recipe, batch, self._loss))

    def _loss(self, batch: Batch, key: seeding.Key) -> Scalars:
        rng = seeding.generator(self.seed, "pretraining", *key)
        lesson = lesson_at(self.lessons, self.global_step / self.steps)
        clean = lesson.cut(batch["latents"])
        pieces = len(clean) // len(batch["prompts"])
        sigma = stratified_sigma(len(clean), rng, factor=lesson.shift)[:, None].to(clean.device).expand(clean.shape[:2])
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        kept = (torch.rand(len(clean), generator=rng) >= self.prompt_dropout).tolist()
        captions = [prompt for prompt in batch["prompts"] for _ in range(pieces)]
        prompts = [prompt if keep else "" for prompt, keep in zip(captions, kept, strict=True)]
        velocity = self.teacher(add_noise(clean, noise, sigma), sigma, self.text(prompts).to(clean.device))
        return {"loss": flow_matching(velocity, clean, noise, lesson.cut(batch["emphasis"]))}

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the teacher."""
        return self.recipe.optimizer(self.teacher.named_parameters())

    def averaged(self) -> list[tuple[str, nn.Module, nn.Module]]:
        """A network's name in reports, its average, and itself."""
        return [("teacher", self.teacher_ema, self.teacher)]

    def exports(self) -> dict[str, nn.Module]:
        """What training is for: the averaged teacher."""
        return {"teacher": sharding.whole(self.teacher_ema)}
