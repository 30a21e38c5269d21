"""Re-DMD (Reward Forcing, section 3.3): samples with a higher reward count exponentially more."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class ReDMD:
    """Weights `exp(beta * reward)`; `beta = 0` is DMD, and the paper's beta is the inverse of ours.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * reward)`, neither centred nor clipped, but never infinite."""
        return exponential(self.beta * samples.rewards)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
