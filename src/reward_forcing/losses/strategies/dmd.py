"""Distribution matching distillation, without a reward."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.score_gap import weighted_gap
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True)
class DMD:
    """Every sample counts the same."""

    def weights(self, rewards: Rewards) -> Rewards:
        """Ones."""
        return rewards.new_ones(rewards.shape)

    def __call__(self, clean: Latents, score_gap: Latents, rewards: Rewards) -> Float[Tensor, ""]:
        """The unweighted loss."""
        return weighted_gap(clean, score_gap, self.weights(rewards))
