"""DMD on the best samples of the batch alone: only the order of rewards matters."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import require_share
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class Rank:
    """The best `share` of the samples on all ranks (at least one) count equally, the others not at all; the mean is 1.

    Equal rewards share what is left for them, so that the order of samples does not matter.

    Raises:
        ValueError: `share` is not within ]0, 1].
    """

    share: float

    traits = Traits(compares=True)

    def __post_init__(self) -> None:
        require_share("share", self.share)

    def weights(self, samples: Samples) -> Rewards:
        """`batch / kept` for the best, 0 for the others."""
        kept = max(1, round(self.share * len(samples)))
        last = samples.rewards.topk(kept).values[-1]
        better, equal = (samples.rewards > last).float(), (samples.rewards == last).float()
        counted = better + equal * (kept - better.sum()) / equal.sum()
        return counted * len(samples) / kept

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
