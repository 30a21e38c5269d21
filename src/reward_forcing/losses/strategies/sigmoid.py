"""DMD with weights between 0 and 2."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class Sigmoid:
    """Weights `2 sigmoid(beta * reward)`: as Re-DMD for bad samples, bounded for good ones.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`2 sigmoid(beta * reward)`."""
        return 2 * (self.beta * samples.rewards).sigmoid()

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
