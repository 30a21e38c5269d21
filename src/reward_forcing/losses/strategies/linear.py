"""DMD with weights that grow linearly with the reward."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Weights `1 + beta * reward`: Re-DMD to first order in beta.

    Below a reward of `-1 / beta` samples are pushed away from where the teacher wants them.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits(signed=True)

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`1 + beta * reward`."""
        return 1 + self.beta * samples.rewards

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
