"""Re-DMD with bounded rewards."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class ClippedReDMD:
    """Weights `exp(beta * reward)` with the reward clipped into [-limit, limit] first.

    Raises:
        ValueError: `beta` is negative or `limit` is not positive.
    """

    beta: float
    limit: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)
        if self.limit <= 0:
            raise ValueError(f"loss.limit is {self.limit}; it must be positive")

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * clip(reward))`."""
        return exponential(self.beta * samples.rewards.clamp(-self.limit, self.limit))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
