"""A real training step, and what the loss was given in it."""

from dataclasses import dataclass, field

from torch import Tensor

from reward_forcing.losses.protocols import LossStrategy, Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores
from reward_forcing.modules.distillation import Distillation
from reward_forcing.shapes import Latents, Rewards
from tests import training


@dataclass(frozen=True)
class Step:
    """What a loss was given; `clean` has its gradient after the step."""

    clean: Latents
    scores: Scores
    samples: Samples


@dataclass(frozen=True)
class Noted:
    """A loss that notes what it is given, and is otherwise the one inside."""

    loss: LossStrategy
    steps: list[Step] = field(default_factory=list)

    @property
    def traits(self) -> Traits:
        return self.loss.traits

    def weights(self, samples: Samples) -> Rewards:
        return self.loss.weights(samples)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Tensor:
        clean.retain_grad()
        self.steps.append(Step(clean, scores, samples))
        return self.loss(clean, scores, samples)


def trained(loss: LossStrategy, steps: int = 1, learning_rate: float = 1e-2) -> tuple[Distillation, list[Step]]:
    """A student after some steps, and what its loss was given in each of the student's turns."""
    noted = Noted(loss)
    module = training.distillation(noted)
    module.student_recipe = training.recipe(lr=learning_rate)
    training.fit(module, steps)
    return module, noted.steps
