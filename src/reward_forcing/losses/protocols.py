"""What the student minimises."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reward_forcing.shapes import Latents, Rewards


@runtime_checkable
class LossStrategy(Protocol):
    """A distribution matching loss over a batch; pure. Rewards are never differentiated."""

    def weights(self, rewards: Rewards) -> Rewards:
        """How much each sample's gradient counts."""

    def __call__(self, clean: Latents, score_gap: Latents, rewards: Rewards) -> Float[Tensor, ""]:
        """The loss of samples `clean`, whose gradient is their score gap times their weight, over all entries."""
