"""How a score changes along a video. Scores are [..., window], windows in order and equally spaced; NaN is left out.

When a video degrades, how bad it gets and how many videos hold out is told by `evaluation.functional.degradation`.
"""

from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

Scores: TypeAlias = Float[np.ndarray, "*video window"]

SPAN: Final = 5.0
"""Seconds at the start and at the end that are compared with each other."""


def drift_std(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Sample standard deviation over windows (Reward Forcing, Table 2).

    Blind to what is constantly bad, and raised by motion.
    """
    known = (~np.isnan(scores)).sum(-1)
    spread = np.where(np.isnan(scores), 0, scores - known_mean(scores)[..., None])
    variance = (spread**2).sum(-1) / np.maximum(known - 1, 1)
    return np.where(known > 1, np.sqrt(variance), np.nan)


def drift_last_first(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Last window minus first window, signed."""
    difference: Float[np.ndarray, "*video"] = scores[..., -1] - scores[..., 0]
    return np.where(scores.shape[-1] > 1, difference, np.nan)


def drift_start_end(scores: Scores, share: float = 0.15) -> Float[np.ndarray, "*video"]:
    """Absolute difference between the means of the first and the last `share` of the windows (FramePack)."""
    count = max(1, round(share * scores.shape[-1]))
    change = np.abs(known_mean(scores[..., -count:]) - known_mean(scores[..., :count]))
    return np.where(scores.shape[-1] > 1, change, np.nan)


def drift_slope(scores: Scores, seconds: float) -> Float[np.ndarray, "*video"]:
    """Least-squares slope per minute of video, windows being `seconds` apart."""
    minutes = np.where(np.isnan(scores), np.nan, np.arange(scores.shape[-1]) * seconds / 60)
    time = minutes - known_mean(minutes)[..., None]
    rise = np.nansum(time * (scores - known_mean(scores)[..., None]), -1)
    run = np.nansum(time**2, -1)
    return np.where(run > 0, rise / np.where(run > 0, run, 1), np.nan)


def drift_slope_robust(scores: Scores, seconds: float) -> Float[np.ndarray, "*video"]:
    """Median slope per minute over all pairs of windows (Theil-Sen); up to 29 % of the windows may be outliers."""
    early, late = np.triu_indices(scores.shape[-1], k=1)
    slopes = (scores[..., late] - scores[..., early]) / ((late - early) * seconds / 60)
    known = ~np.isnan(slopes).all(-1)
    slope: Float[np.ndarray, "*video"] = np.nanmedian(np.where(known[..., None], slopes, 0), -1) if len(late) else known
    return np.where(known, slope, np.nan)


def drift_five_seconds(scores: Scores, seconds: float, span: float = SPAN) -> Float[np.ndarray, "*video"]:
    """Absolute difference between the means of the first and the last `span` seconds (Rolling Forcing)."""
    count = windows_of(span, seconds)
    change = np.abs(known_mean(scores[..., -count:]) - known_mean(scores[..., :count]))
    return np.where(scores.shape[-1] > 1, change, np.nan)


def drift_vde(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Video drift error (LV-Bench): relative change from the first window, early windows weighing most.

    The sum over windows i = 2..N of (N - i + 1) |m_i - m_1| / |m_1|. It grows with N squared: compare videos of one
    length only. NaN where the first score is 0 or unknown.
    """
    first = np.abs(scores[..., :1])
    change = np.abs(scores - scores[..., :1])
    relative = np.where(first > 0, change / np.where(first > 0, first, 1), np.nan)
    total: Float[np.ndarray, "*video"] = np.nansum(relative * _vde_weights(scores), -1)
    return np.where(np.isnan(relative[..., 0]) | (scores.shape[-1] < 2), np.nan, total)


def drift_ratio(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Last over first window, of scores above 0; of a measure of motion it is the decay of dynamics."""
    first: Float[np.ndarray, "*video"] = scores[..., 0]
    sound = (first > 0) & (scores.shape[-1] > 1)
    return np.where(sound, scores[..., -1] / np.where(sound, first, 1), np.nan)


def drift_vde_normalised(scores: Scores) -> Float[np.ndarray, "*video"]:
    """Mean relative change from the first window, early windows weighing most (VDE, normalised): 0.1 is 10 %.

    A weighted mean: it does not depend on the number of windows.
    """
    weights = np.where(np.isnan(scores), 0, _vde_weights(scores)).sum(-1)
    return np.where(weights > 0, drift_vde(scores) / np.where(weights > 0, weights, 1), np.nan)


def known_mean(scores: Scores) -> Float[np.ndarray, "*video"]:
    """The mean of what is known; NaN, without a warning, where nothing is."""
    known = (~np.isnan(scores)).sum(-1)
    return np.where(known > 0, np.nansum(scores, -1) / np.maximum(known, 1), np.nan)


def windows_of(span: float, seconds: float) -> int:
    """How many windows, `seconds` apart, start within `span` seconds; at least one."""
    return max(1, round(span / seconds))


def _vde_weights(scores: Scores) -> Float[np.ndarray, " window"]:
    """N - i + 1 for the windows i = 2..N, 0 for the first."""
    count = scores.shape[-1]
    return np.where(np.arange(count) > 0, count - np.arange(count), 0).astype(float)
