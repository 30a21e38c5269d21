"""Re-DMD whose normalising constant is estimated from the batch."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.score_gap import weighted_gap
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class SelfNormalisedReDMD:
    """Weights `exp(beta * reward)` divided by their mean over the batch, so that a shifted reward changes nothing.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise ValueError(f"loss.beta is {self.beta}; it must be at least 0 (0 is DMD)")

    def weights(self, rewards: Rewards) -> Rewards:
        """`batch * softmax(beta * reward)`; the mean is 1."""
        return (self.beta * rewards).softmax(0) * rewards.shape[0]

    def __call__(self, clean: Latents, score_gap: Latents, rewards: Rewards) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, score_gap, self.weights(rewards))
