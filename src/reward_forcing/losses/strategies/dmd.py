"""Distribution matching distillation, without a reward."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True)
class DMD:
    """Every sample counts the same."""

    traits = Traits()

    def weights(self, samples: Samples) -> Rewards:
        """Ones."""
        return samples.rewards.new_ones(len(samples))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
