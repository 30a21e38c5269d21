"""How a score changes along a video. Scores are [..., window], windows in order and equally spaced; NaN is left out."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Scores: TypeAlias = Float[np.ndarray, "*video window"]


def drift_std(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Sample standard deviation over windows (Reward Forcing, Table 2).

    Blind to what is constantly bad, and raised by motion.
    """
    known = (~np.isnan(scores)).sum(-1)
    spread = np.where(np.isnan(scores), 0, scores - _mean(scores)[..., None])
    variance = (spread**2).sum(-1) / np.maximum(known - 1, 1)
    return np.where(known > 1, np.sqrt(variance), np.nan)


def drift_last_first(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Last window minus first window, signed."""
    difference: Float[np.ndarray, "*video"] = scores[..., -1] - scores[..., 0]
    return np.where(scores.shape[-1] > 1, difference, np.nan)


def drift_start_end(scores: Scores, share: float = 0.15) -> Float[np.ndarray, "*video"]:
    """Absolute difference between the means of the first and the last `share` of the windows (FramePack)."""
    count = max(1, round(share * scores.shape[-1]))
    change = np.abs(_mean(scores[..., -count:]) - _mean(scores[..., :count]))
    return np.where(scores.shape[-1] > 1, change, np.nan)


def drift_slope(scores: Scores, seconds: float) -> Float[np.ndarray, "*video"]:
    """Least-squares slope per minute of video, windows being `seconds` apart."""
    minutes = np.where(np.isnan(scores), np.nan, np.arange(scores.shape[-1]) * seconds / 60)
    time = minutes - _mean(minutes)[..., None]
    rise = np.nansum(time * (scores - _mean(scores)[..., None]), -1)
    run = np.nansum(time**2, -1)
    return np.where(run > 0, rise / np.where(run > 0, run, 1), np.nan)


def _mean(scores: Scores) -> Float[np.ndarray, "*video"]:
    """The mean of what is known; NaN, without a warning, where nothing is."""
    known = (~np.isnan(scores)).sum(-1)
    return np.where(known > 0, np.nansum(scores, -1) / np.maximum(known, 1), np.nan)
