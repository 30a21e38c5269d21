"""Re-DMD in which no sample can take over the batch."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import capped, exponential, require_beta, require_share
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class CappedReDMD:
    """Weights `exp(beta * reward)`, the largest cut until none has more than a share `largest_share` of the sum.

    So the effective sample size stays above `1 / largest_share`, where the batch allows it.

    Raises:
        ValueError: `beta` is negative or `largest_share` is not within ]0, 1].
    """

    beta: float
    largest_share: float

    traits = Traits(compares=True)

    def __post_init__(self) -> None:
        require_beta(self.beta)
        require_share("largest_share", self.largest_share)

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * reward)`, capped."""
        return capped(exponential(self.beta * samples.rewards), self.largest_share)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
