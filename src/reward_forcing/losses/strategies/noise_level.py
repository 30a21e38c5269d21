"""Re-DMD that trusts the reward most where there is much noise, the level at which motion is decided."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class NoiseLevel:
    """Weights `1 + (exp(beta * reward) - 1) sigma^power`, sigma being where the scores are compared; power 0 is Re-DMD.

    Raises:
        ValueError: `beta` or `power` is negative.
    """

    beta: float
    power: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)
        if self.power < 0:
            raise ValueError(f"loss.power is {self.power}; it must be at least 0 (0 is re_dmd)")

    def weights(self, samples: Samples) -> Rewards:
        """Between 1 without noise and `exp(beta * reward)` in pure noise."""
        return 1 + (exponential(self.beta * samples.rewards) - 1) * samples.sigma**self.power

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
