"""How the scores of a video become one number: that of a named window, or a statistic over the sliding windows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from evaluation.functional import degradation, drift
from evaluation.measure import Measure
from evaluation.table import Record, sliding

DRIFTS: Final = (
    "drift_std",
    "drift_last_first",
    "drift_start_end",
    "drift_five_seconds",
    "drift_slope",
    "drift_slope_robust",
    "drift_vde_normalised",
    "drift_ratio",
    "worst_window",
    "time_to_degrade",
)
"""Statistics over sliding windows."""
UNSIGNED: Final = ("drift_std", "drift_start_end", "drift_five_seconds", "drift_vde_normalised")
RELATIVE: Final = ("drift_vde_normalised", "drift_ratio")
"""They say nothing of scores whose best is 0."""
TIMED: Final = ("drift_five_seconds", "drift_slope", "drift_slope_robust")
"""They need to know how far windows are apart."""


def score(records: Sequence[Record], metric: str, window: str, measure: Measure | None) -> Float[np.ndarray, " video"]:
    """One column of the table behind all estimates.

    Args:
        records: the videos.
        metric: its name.
        window: name of a window or of a statistic.
        measure: the metric; None where it is not known which scores are better: worst windows and times are NaN then.
    """
    if window not in DRIFTS:
        return np.array([r.score(metric, window) for r in records])
    table = sliding(records, metric)
    if not table.shape[1] or (window in RELATIVE and measure is not None and measure.target == 0):
        return np.full(len(records), np.nan)
    if window in ("worst_window", "time_to_degrade"):
        return _endurance(table, window, measure, _spacing(records))
    timed = {"seconds": _spacing(records)} if window in TIMED else {}
    return np.asarray(getattr(drift, window)(table, **timed))


def _endurance(
    table: Float[np.ndarray, "video window"], window: str, measure: Measure | None, seconds: float
) -> Float[np.ndarray, " video"]:
    """Worst windows as scores, or as distances to a target; times in seconds, the whole length for who holds out."""
    if measure is None or measure.better == "open":
        return np.full(len(table), np.nan)
    goodness = -measure.error(table)
    if window == "time_to_degrade":
        return degradation.time_to_degrade(goodness, seconds).seconds
    worst = degradation.worst_window(goodness)
    return worst if measure.better == "higher" else -worst


def _spacing(records: Sequence[Record]) -> float:
    """Seconds between sliding windows; 1 where there is only one window."""
    starts = [(part.start / r.fps) for r in records for part in r.windows if not part.name and part.start]
    return min(starts, default=1.0)


def judge(measure: Measure, window: str) -> Measure:
    """How a column judges, and in which unit: as its metric, but drift should be none and degrade late."""
    if window not in DRIFTS:
        return measure
    if window == "time_to_degrade":
        return replace(measure, better="open" if measure.better == "open" else "higher", target=np.nan, unit="s")
    if window == "worst_window":
        return replace(measure, better="lower", target=0.0) if measure.better == "target" else measure
    better: Literal["lower", "target"] = "lower" if window in UNSIGNED else "target"
    unit = "" if window in RELATIVE else measure.unit
    return replace(measure, better=better, target=1.0 if window == "drift_ratio" else 0.0, unit=unit)
