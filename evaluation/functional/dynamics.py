"""How much goes on along a video. Dynamics are any measure of motion, [video, window], 0 for standing still.

Whether it goes on is told by `drift.drift_ratio`, last over first.
"""

from jaxtyping import Float
from torch import Tensor


def stagnation(dynamics: Float[Tensor, "video window"], least: float) -> Float[Tensor, " video"]:
    """Share of windows with less motion than `least`, of those that are known; NaN if none is."""
    known = ~dynamics.isnan()
    share: Tensor = ((dynamics < least) & known).sum(1) / known.sum(1)
    return share
