"""Re-DMD with bounded weights."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.score_gap import weighted_gap
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class ClippedReDMD:
    """Weights `exp(beta * reward)` with the reward clipped into [-limit, limit] first.

    Raises:
        ValueError: `beta` is negative or `limit` is not positive.
    """

    beta: float
    limit: float

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise ValueError(f"loss.beta is {self.beta}; it must be at least 0 (0 is DMD)")
        if self.limit <= 0:
            raise ValueError(f"loss.limit is {self.limit}; it must be positive")

    def weights(self, rewards: Rewards) -> Rewards:
        """`exp(beta * clip(reward))`."""
        return (self.beta * rewards.clamp(-self.limit, self.limit)).exp()

    def __call__(self, clean: Latents, score_gap: Latents, rewards: Rewards) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, score_gap, self.weights(rewards))
