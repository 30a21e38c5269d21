"""DMD with weights that grow linearly with the reward, from zero on."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class ReLU:
    """Weights `max(0, 1 + beta * reward)`: samples with a reward below `-1 / beta` do not count.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`max(0, 1 + beta * reward)`."""
        return (1 + self.beta * samples.rewards).clamp_min(0)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
