"""How bad a video gets, and when. Scores are [video, window], windows in order and equally spaced; NaN is left out.

Higher must be better: turn scores of which lower is better around first (`-scores`).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from evaluation.functional.drift import SPAN, known_mean, windows_of

Scores: TypeAlias = Float[np.ndarray, "video window"]

WORST: Final = 5.0
"""Percentile over windows."""
SIGMAS: Final = 3.0
"""So many spreads below the beginning is degraded."""


@dataclass(frozen=True)
class Endurance:
    """Until when every video was as good as its beginning."""

    seconds: Float[np.ndarray, " video"]
    """Until it degraded, or until it ended; NaN if nothing is known of its beginning."""
    degraded: Bool[np.ndarray, " video"]
    """False: the video ended first (right-censored)."""


@dataclass(frozen=True)
class Survival:
    """The Kaplan-Meier estimate: the share of videos that have not degraded, after each of some moments."""

    seconds: Float[np.ndarray, " moment"]
    share: Float[np.ndarray, " moment"]
    at_risk: Int[np.ndarray, " moment"]
    """Videos that were watched and whole up to that moment."""

    def at(self, seconds: float) -> float:
        """The share at any time: constant between the moments, 1 before the first."""
        passed = self.seconds <= seconds
        return float(self.share[passed][-1]) if passed.any() else 1.0


def worst_window(scores: Scores, percentile: float = WORST) -> Float[np.ndarray, " video"]:
    """The score that only 5 % of the windows stay below."""
    known = ~np.isnan(scores).all(-1)
    lowest = np.full(len(scores), np.nan)
    if known.any():
        lowest[known] = np.nanpercentile(scores[known], percentile, axis=-1)
    return lowest


def time_to_degrade(scores: Scores, seconds: float, *, span: float = SPAN, sigmas: float = SIGMAS) -> Endurance:
    """The first time at which the running mean falls more than `sigmas` spreads below the first seconds.

    Running means are over as many windows as start within `span`, and belong to the last of them. The spread is the
    standard deviation of windows within the first seconds, pooled over videos: a video alone has too few. Where it is
    0, or only one window starts within `span`, any fall counts.

    Args:
        scores: of which higher is better.
        seconds: from one window to the next.
        span: the beginning, in seconds.
        sigmas: how far below the beginning is degraded.
    """
    count = windows_of(span, seconds)
    first = scores[:, :count]
    level = known_mean(first)
    floor = level - sigmas * _pooled_spread(first) - 1e-9 * np.abs(level)
    below = running_mean(scores, count) < floor[:, None]
    degraded = below.any(-1)
    end = (~np.isnan(scores) * np.arange(1, scores.shape[1] + 1)).max(-1, initial=0)
    when = np.where(degraded, below.argmax(-1), end) * seconds
    return Endurance(np.where(np.isnan(level), np.nan, when), degraded)


def running_mean(scores: Scores, count: int) -> Float[np.ndarray, "video window"]:
    """The mean of every window and the `count` - 1 before it, of what is known; NaN until there are so many windows."""
    padded = np.pad(scores, ((0, 0), (count - 1, 0)), constant_values=np.nan)
    means = known_mean(np.lib.stride_tricks.sliding_window_view(padded, count, axis=1))
    return np.where(np.arange(scores.shape[1]) >= count - 1, means, np.nan)


def kaplan_meier(endured: Endurance) -> Survival:
    """The share of videos not yet degraded over time; a video that ended counts as long as it was watched.

    Videos of unknown endurance are left out. Moments are those at which some video degraded.
    """
    known = ~np.isnan(endured.seconds)
    seconds, degraded = endured.seconds[known], endured.degraded[known]
    moments = np.unique(seconds[degraded])
    at_risk = (seconds[None] >= moments[:, None]).sum(1)
    lost = ((seconds[None] == moments[:, None]) & degraded[None]).sum(1)
    return Survival(moments, np.cumprod(1 - lost / at_risk), at_risk)


def _pooled_spread(first: Scores) -> float:
    """Root of the mean variance within videos; 0 where no video has two windows."""
    known = ~np.isnan(first)
    deviation = np.where(known, first - known_mean(first)[:, None], 0)
    freedom = np.maximum(known.sum(-1) - 1, 0).sum()
    return float(np.sqrt((deviation**2).sum() / freedom)) if freedom else 0.0
