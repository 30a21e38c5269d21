"""Re-DMD (Reward Forcing, section 3.3): samples with a higher reward count exponentially more."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.score_gap import weighted_gap
from reward_forcing.shapes import Latents, Rewards

LARGEST_EXPONENT = 80.0
"""Above 88, exp overflows in fp32; a sample that far ahead is the only one that counts anyway."""


@dataclass(frozen=True, kw_only=True)
class ReDMD:
    """Weights `exp(beta * reward)`; `beta = 0` is DMD, and the paper's beta is the inverse of ours.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise ValueError(f"loss.beta is {self.beta}; it must be at least 0 (0 is DMD)")

    def weights(self, rewards: Rewards) -> Rewards:
        """`exp(beta * reward)`, neither centred nor clipped, but never infinite."""
        return (self.beta * rewards).clamp(max=LARGEST_EXPONENT).exp()

    def __call__(self, clean: Latents, score_gap: Latents, rewards: Rewards) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, score_gap, self.weights(rewards))
