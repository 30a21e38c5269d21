"""Score identity distillation (Zhou et al. 2024), in the form of Self Forcing."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class SiD:
    """With the samples x and d = real - fake: the mean of `d ((real - x) - alpha d) / mean |x - real|`.

    Both scores are estimates of x from its noisy version, and gradients flow through both of them to x; only the scale,
    one a sample, is a constant. Were the fake score exactly the student's own, `d (fake - x)` would have mean zero (the
    score identity), and the rest is `(1 - alpha) |d|^2`, a Fisher divergence. But the fake score is held fixed while
    the student learns, which that term's gradient makes up for; so alpha = 1, which leaves it alone, still teaches.
    Rewards play no part.

    Raises:
        ValueError: `alpha` is negative.
    """

    alpha: float

    traits = Traits(differentiates=frozenset({"scores"}))

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"loss.alpha is {self.alpha}; it must be at least 0")

    def weights(self, samples: Samples) -> Rewards:
        """Ones."""
        return samples.rewards.new_ones(len(samples))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The loss; the samples' rewards do not matter."""
        difference = scores.real - scores.fake
        identity = difference * ((scores.real - clean) - self.alpha * difference) / scores.scale
        weights: Tensor = samples.mine(self.weights(samples))
        return (weights[:, None, None, None, None] * identity).mean()
