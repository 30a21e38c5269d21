"""Re-DMD in which the fake score weighs its samples, too."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class WeightedFakeScore:
    """Weights `exp(beta * reward)` in the student's loss and `exp(fake_beta * reward)` in the fake score's.

    So weighted, the fake score follows the student's distribution p tilted to `p exp(fake_beta * reward)`. The gap to
    the teacher's distribution q vanishes where the two agree: at `p = q exp(-fake_beta * reward)`, up to a constant,
    whatever `beta` is. The same weights on both (`fake_beta = beta`) compare one tilted distribution with q; a student
    that can express the solution then ends up at *lower* rewards than the teacher. A negative `fake_beta` aims at the
    optimum of KL-regularised reward maximisation, `q exp(|fake_beta| * reward)`.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float
    fake_beta: float

    traits = Traits()

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * reward)`."""
        return exponential(self.beta * samples.rewards)

    def fake_score_weights(self, samples: Samples) -> Rewards:
        """`exp(fake_beta * reward)`."""
        return exponential(self.fake_beta * samples.rewards)

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
