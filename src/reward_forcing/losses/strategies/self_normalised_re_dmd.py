"""Re-DMD whose normalising constant is estimated from the batch."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class SelfNormalisedReDMD:
    """Weights `exp(beta * reward)` divided by their mean over the batch of all ranks: a shifted reward changes nothing.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits(compares=True)

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`batch * softmax(beta * reward)`; the mean is 1."""
        return (self.beta * samples.rewards).softmax(0) * len(samples)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
