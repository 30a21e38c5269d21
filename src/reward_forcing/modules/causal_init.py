"""Turning a bidirectional teacher into a causal student that distillation can start from."""

import copy

from lightning import LightningModule
from torch import nn
from torch.optim import Optimizer

from reward_forcing import seeding
from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.modules import sharding
from reward_forcing.modules.initialisation import Objective
from reward_forcing.modules.steps import Batch, Recipe, Scalars, learn, prefixed, prepare_text
from reward_forcing.networks.wan import WanTransformer


class CausalInitialization(LightningModule):
    """A copy of the teacher learns to predict chunks from the past alone.

    Args:
        student: the network, with the teacher's weights.
        objective: teacher forcing through the memory, diffusion forcing, or regression on teacher trajectories.
        text: encodes prompts.
        recipe: how the student is optimised.
        seed: of all randomness.
    """

    def __init__(
        self,
        *,
        student: WanTransformer,
        objective: Objective,
        text: TextEncoder,
        recipe: Recipe,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student = student
        self.student_ema = copy.deepcopy(student).requires_grad_(requires_grad=False)
        self.objective, self.text, self.recipe, self.seed = objective, text, recipe, seed

    def configure_model(self) -> None:
        """Split the networks, the objective's own included, where the strategy asks for it."""
        frozen = [value for value in vars(self.objective).values() if isinstance(value, nn.Module)]
        sharding.shard_all(self, [self.student, self.student_ema, *frozen])

    def on_fit_start(self) -> None:
        """See to it that all prompts are encoded, and bring the objective's own networks here."""
        prepare_text(self, self.text, self.student)
        for value in vars(self.objective).values():
            if isinstance(value, nn.Module):
                value.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Scalars:  # noqa: ARG002 (Lightning's name)
        """One optimiser step on clips (`latents`, `emphasis`) or trajectories (`states`) and their `prompts`."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, Optimizer)
        return prefixed("student", learn(self, optimizer, self.recipe, batch, self._loss))

    def _loss(self, batch: Batch, key: seeding.Key) -> Scalars:
        rng = seeding.generator(self.seed, "causal_init", *key)
        prompt = self.text(batch["prompts"]).to(self.device)
        return {"loss": self.objective(self.student, batch, prompt, rng, self.global_step)}

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the student."""
        return self.recipe.optimizer(self.student.named_parameters())

    def averaged(self) -> list[tuple[str, nn.Module, nn.Module]]:
        """A network's name in reports, its average, and itself."""
        return [("student", self.student_ema, self.student)]

    def exports(self) -> dict[str, nn.Module]:
        """What training is for: the averaged student."""
        return {"initial_student": sharding.whole(self.student_ema)}
