"""Re-DMD on rewards that are standardised by those of earlier steps."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class RunningMean:
    """Weights `exp(beta (reward - mean) / deviation)`, both running over the steps before; 1 in the first step.

    A reward's offset and unit do not matter, and neither does the size of the batch: one sample is enough.

    Raises:
        ValueError: `beta` is negative or `decay` is not within [0, 1[.
    """

    beta: float
    decay: float

    def __post_init__(self) -> None:
        require_beta(self.beta)
        if not 0 <= self.decay < 1:
            raise ValueError(f"loss.decay is {self.decay}; it must be at least 0 and below 1")

    @property
    def traits(self) -> Traits:
        """How fast earlier rewards are forgotten."""
        return Traits(decay=self.decay)

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * standardised reward)`."""
        return exponential(self.beta * samples.history.standardised(samples.rewards))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
