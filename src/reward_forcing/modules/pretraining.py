"""Training a bidirectional teacher by flow matching."""

import copy

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from reward_forcing import seeding
from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.flow import add_noise, random_sigma
from reward_forcing.losses.flow_matching import flow_matching
from reward_forcing.modules.steps import Batch, Recipe, Scalars, learn, prefixed
from reward_forcing.networks.wan import WanTransformer


class Pretraining(LightningModule):
    """A teacher learns the velocity of real clips, each clip at one noise level.

    Args:
        teacher: the network.
        text: encodes prompts.
        recipe: how the teacher is optimised.
        seed: of all randomness.
        shift: how far noise levels lean towards 1.
        prompt_dropout: share of clips trained without their prompt, for classifier-free guidance.
    """

    def __init__(
        self,
        *,
        teacher: WanTransformer,
        text: TextEncoder,
        recipe: Recipe,
        seed: int,
        shift: float,
        prompt_dropout: float,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.teacher = teacher
        self.teacher_ema = copy.deepcopy(teacher).requires_grad_(requires_grad=False)
        self.text, self.recipe, self.seed = text, recipe, seed
        self.shift, self.prompt_dropout = shift, prompt_dropout

    def training_step(self, batch: Batch, batch_idx: int) -> Scalars:  # noqa: ARG002 (Lightning's name)
        """One optimiser step on clips: `latents`, their loss weights `emphasis`, and `prompts`."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, Optimizer)
        return prefixed("teacher", learn(self, optimizer, self.recipe, batch, self._loss))

    def _loss(self, batch: Batch, key: seeding.Key) -> Scalars:
        rng = seeding.generator(self.seed, "pretraining", *key)
        clean: Tensor = batch["latents"]
        sigma = random_sigma((len(clean), 1), rng, factor=self.shift).to(clean.device).expand(clean.shape[:2])
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        kept = (torch.rand(len(clean), generator=rng) >= self.prompt_dropout).tolist()
        prompts = [prompt if keep else "" for prompt, keep in zip(batch["prompts"], kept, strict=True)]
        velocity = self.teacher(add_noise(clean, noise, sigma), sigma, self.text(prompts).to(clean.device))
        return {"loss": flow_matching(velocity, clean, noise, batch["emphasis"])}

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the teacher."""
        return self.recipe.optimizer(self.teacher.named_parameters())

    def averaged(self) -> list[tuple[str, nn.Module, nn.Module]]:
        """A network's name in reports, its average, and itself."""
        return [("teacher", self.teacher_ema, self.teacher)]

    def exports(self) -> dict[str, nn.Module]:
        """What training is for: the averaged teacher."""
        return {"teacher": self.teacher_ema}
