"""Distribution matching distillation of a streaming student (Self Forcing, with EMA-Sink and Re-DMD)."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from reward_forcing import seeding
from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.engine.quantised import require, write_in_place
from reward_forcing.flow import add_noise, random_sigma
from reward_forcing.losses.flow_matching import flow_matching
from reward_forcing.losses.protocols import FakeScoreWeighting, LossStrategy
from reward_forcing.losses.samples import History, Samples
from reward_forcing.losses.score_gap import Scores, compared
from reward_forcing.memory.learning import learned, require_folds
from reward_forcing.modules import sharding
from reward_forcing.modules.lora import merged
from reward_forcing.modules.steps import Batch, Recipe, Scalars, is_student_turn, learn, prefixed, prepare_text
from reward_forcing.modules.weighing import Weighed, over_ranks, require_company, spread
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.rewards.protocols import RewardModel
from reward_forcing.rewards.weighted_sum import judged
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.shapes import Geometry, Latents, Rewards, Sigma


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Where and how scores are compared.

    Args:
        guidance_scale: of the teacher, in the standard convention (1: none).
        shift: how far noise levels lean towards 1.
        low: smallest noise level.
        high: largest noise level.
    """

    guidance_scale: float
    shift: float
    low: float = 0.02
    high: float = 0.98

    def draw(self, clean: Latents, key: seeding.Key) -> tuple[Latents, Sigma]:
        """Noise, and one noise level a sample, to perturb clean latents with."""
        rng = seeding.generator(*key)
        sigma = random_sigma((len(clean), 1), rng, factor=self.shift, low=self.low, high=self.high)
        noise = torch.randn(clean.shape, generator=rng)
        return noise.to(clean.device), sigma.to(clean.device).expand(clean.shape[:2])


@dataclass
class Frozen:
    """What takes part in distillation but does not learn; no part of checkpoints.

    Args:
        teacher: the bidirectional network whose distribution the student is to match.
        text: encodes prompts; the empty prompt is the negative one.
        reward: judges samples.
        teacher_linears: how the linear layers of the teacher's blocks are computed; in eight bits is an approximation.
    """

    teacher: WanTransformer
    text: TextEncoder
    reward: RewardModel
    teacher_linears: Literal["exact", "int8", "float8"] = "exact"

    def __post_init__(self) -> None:
        self.teacher.requires_grad_(requires_grad=False).eval()
        write_in_place(self.teacher, self.teacher_linears)


class Distillation(LightningModule):
    """Teacher, student and fake score; each step trains the student or the fake score, never both.

    Checkpoints hold the student, its averaged weights, the fake score, the optimisers and the running statistics of
    rewards. `distributions` has the rewards and weights of the last student's step, for histograms.

    Args:
        student: the causal network, initialised; where some of its parameters ask for no gradient (`lora`), they stay.
        fake_score: the bidirectional network that follows the student's distribution, initialised from the teacher.
        frozen: the teacher, the text encoder and the reward.
        rollout: how the student generates.
        loss: how scores and rewards become a loss.
        scores: where and how scores are compared.
        geometry: sizes of the clips.
        student_recipe: how the student is optimised.
        fake_score_recipe: how the fake score is optimised.
        fake_score_steps: steps of the fake score after each of the student's.
        seed: of all randomness.
        rollout_chunks: chunks of a rollout, or several numbers one of which is drawn at each step, the same on every
            rank; None: those of a clip. Of a longer rollout, the last frames, as many as a clip has, are scored and
            carry gradients; those before are generated without.

    Raises:
        ValueError: a rollout is shorter than a clip.
    """

    def __init__(
        self,
        *,
        student: WanTransformer,
        fake_score: WanTransformer,
        frozen: Frozen,
        rollout: Rollout,
        loss: LossStrategy,
        scores: ScoreSettings,
        geometry: Geometry,
        student_recipe: Recipe,
        fake_score_recipe: Recipe,
        fake_score_steps: int,
        seed: int,
        rollout_chunks: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.rollout_chunks = _lengths(rollout_chunks, geometry)
        self.student, self.fake_score, self.frozen = student, fake_score, frozen
        self.student_ema = copy.deepcopy(student).requires_grad_(requires_grad=False)
        self.sink = learned(rollout.memory.sink)
        self.sink_ema = copy.deepcopy(self.sink).requires_grad_(requires_grad=False)
        require_folds(rollout.memory, frames=max(self.rollout_chunks) * geometry.chunk_frames)
        self.rollout, self.loss, self.scores, self.geometry = rollout, loss, scores, geometry
        self.student_recipe, self.fake_score_recipe = student_recipe, fake_score_recipe
        self.fake_score_steps, self.seed = fake_score_steps, seed
        self.register_buffer("reward_history", History.start().packed())
        self.distributions: dict[str, Tensor] = {}

    reward_history: Tensor

    def configure_model(self) -> None:
        """Split the networks, where the strategy asks for it.

        Raises:
            ValueError: a sink is to learn, which it could not do alike in all processes.
        """
        if self.device_mesh is not None and len(self.sink):
            raise ValueError(
                "sink: it learns, and what it learns is not shared among processes; allowed: trainer=default on one "
                "device, or a sink that does not learn (sink=ema)"
            )
        networks = [self.student, self.student_ema, self.fake_score, self.frozen.teacher]
        sharding.shard_all(self, networks)

    def on_fit_start(self) -> None:
        """See to it that all prompts are encoded, and bring what is frozen to where the student is.

        Raises:
            ValueError: that device cannot compute the teacher, or a prompt cannot be encoded.
        """
        frozen = self.frozen
        require("module.frozen.teacher_linears", frozen.teacher_linears, frozen.teacher, self.device)
        prepare_text(self, self.frozen.text, self.student, self.fake_score, self.frozen.teacher)
        self.frozen.teacher.to(self.device)
        self.frozen.reward = self.frozen.reward.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Scalars:  # noqa: ARG002 (Lightning's name)
        """One optimiser step of the network whose turn it is, on `prompts`."""
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        if is_student_turn(self.global_step, self.fake_score_steps):
            return prefixed("student", self._student_step(batch, optimizers[0]))
        return prefixed("fake_score", learn(self, optimizers[1], self.fake_score_recipe, batch, self._fake_score_loss))

    def _student_step(self, batch: Batch, optimizer: LightningOptimizer) -> Scalars:
        """Train the student, then take note of the rewards of all samples."""
        seen: list[Weighed] = []
        with resting(self.fake_score):
            report = learn(self, optimizer, self.student_recipe, batch, partial(self._student_loss, seen=seen))
        self.distributions = {
            "student/rewards": torch.cat([one.rewards for one in seen]),
            "student/weights": torch.cat([one.weights for one in seen]),
        }
        if not report["skipped"]:
            rewards, decay = self.distributions["student/rewards"], self.loss.traits.decay
            self.reward_history.copy_(History.unpacked(self.reward_history).after(rewards, decay).packed())
        return {**report, **spread(seen)}

    def _student_loss(self, batch: Batch, key: seeding.Key, seen: list[Weighed]) -> Scalars:
        prompts: list[str] = batch["prompts"]
        clean = self._generate(prompts, key)
        noise, sigma = self.scores.draw(clean, (self.seed, "gap", *key))
        samples, parts = self._judged(clean, sigma, prompts)
        scores = self._compared(clean, noise, sigma, prompts)
        seen.append(Weighed(samples.rewards, self.loss.weights(samples)))
        return {
            "loss": self.loss(clean, scores, samples),
            "score_gap": scores.gap.detach().abs().mean(),
            "reward": samples.mine(samples.rewards),
            **{f"reward_{name}": part for name, part in parts.items()},
        }

    def _judged(self, clean: Latents, sigma: Sigma, prompts: list[str]) -> tuple[Samples, dict[str, Rewards]]:
        """The samples of all ranks with their rewards, and the parts of this rank's rewards."""
        rewards, parts = judged(self.frozen.reward, clean.detach(), prompts)
        history = History.unpacked(self.reward_history)
        samples = over_ranks(Samples(rewards.detach(), sigma.mean(1), tuple(prompts), history))
        require_company(self.loss, samples)
        return samples, parts

    def _compared(self, clean: Latents, noise: Latents, sigma: Sigma, prompts: list[str]) -> Scores:
        return compared(
            clean,
            noise,
            sigma,
            prompt=self._encode(prompts),
            negative=self._encode([""] * len(prompts)),
            teacher=self.frozen.teacher,
            fake_score=self.fake_score,
            guidance_scale=self.scores.guidance_scale,
            differentiable="scores" in self.loss.traits.differentiates,
        )

    def _fake_score_loss(self, batch: Batch, key: seeding.Key) -> Scalars:
        prompts: list[str] = batch["prompts"]
        with torch.no_grad():
            clean = self._generate(prompts, key)
        noise, sigma = self.scores.draw(clean, (self.seed, "fake_score", *key))
        velocity = self.fake_score(add_noise(clean, noise, sigma), sigma, self._encode(prompts))
        if not isinstance(self.loss, FakeScoreWeighting):
            return {"loss": flow_matching(velocity, clean, noise)}
        samples, _ = self._judged(clean, sigma, prompts)
        weights = samples.mine(self.loss.fake_score_weights(samples))[:, None, None, None, None]
        return {"loss": flow_matching(velocity, clean, noise, weights), "reward": samples.mine(samples.rewards)}

    def _generate(self, prompts: list[str], key: seeding.Key) -> Latents:
        """Clips of the student: the end of a rollout that has the same length and exit step on every rank."""
        noise = seeding.VideoNoise(
            keys=tuple((self.seed, "rollout", *key, index) for index in range(len(prompts))),
            chunk_shape=self.geometry.chunk_shape,
            device=self.device,
        )
        exit_at = seeding.exit_step(self.seed, self.global_step, len(self.rollout.levels))
        prompt = always(self._encode(prompts))
        length = self._rollout_length()
        stream = self.rollout.stream(self.student, noise, prompt, chunks=range(length), exit_at=exit_at)
        with torch.no_grad():
            for _ in range(length - self.geometry.chunks):
                next(stream)
        return generate(stream)

    def _rollout_length(self) -> int:
        rng = seeding.generator(self.seed, self.global_step, "rollout length")
        return self.rollout_chunks[int(torch.randint(len(self.rollout_chunks), (), generator=rng))]

    def _encode(self, prompts: list[str]) -> Tensor:
        return self.frozen.text(prompts).to(self.device)

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers of the student and of the fake score."""
        learning = [pair for pair in self.student.named_parameters() if pair[1].requires_grad]
        student = self.student_recipe.optimizer([*learning, *self.sink.named_parameters("sink")])
        return [student, self.fake_score_recipe.optimizer(self.fake_score.named_parameters())]

    def averaged(self) -> list[tuple[str, nn.Module, nn.Module]]:
        """A network's name in reports, its average, and itself."""
        return [("student", self.student_ema, self.student), ("student", self.sink_ema, self.sink)]

    def exports(self) -> dict[str, nn.Module]:
        """What training is for: the averaged student, whole, adapters merged."""
        return {"student": merged(self.student_ema)}


@contextmanager
def resting(network: nn.Module) -> Iterator[None]:
    """No parameter of a network gets gradients inside this block, though gradients may flow through it."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad = True


def _lengths(chunks: int | Sequence[int] | None, geometry: Geometry) -> tuple[int, ...]:
    """The possible lengths of rollouts."""
    listed = (geometry.chunks,) if chunks is None else (chunks,) if isinstance(chunks, int) else tuple(chunks)
    if not listed or min(listed) < geometry.chunks:
        raise ValueError(
            f"module.rollout_chunks is {chunks}; allowed: numbers of at least {geometry.chunks}, the chunks of a clip"
        )
    return listed
