"""Two metrics against each other: what is gained in one is often paid in the other."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from evaluation.measure import Measure
from evaluation.report.charts import Axis
from evaluation.report.view import ARROWS, heading
from evaluation.summary import Column, Estimate, Summary

MOTION: Final[tuple[Column, ...]] = (
    ("net_displacement", "all"),
    ("flow_strength", "all"),
    ("dynamic_degree", "all"),
    ("frame_difference", "all"),
)
DRIFT: Final[tuple[Column, ...]] = (
    ("palette_drift", "late"),
    ("imaging_quality", "drift_last_first"),
    ("aesthetic_quality", "drift_last_first"),
    ("sink_similarity", "late"),
)
QUALITY: Final[tuple[Column, ...]] = (
    ("shape_overlap", "all"),
    ("imaging_quality", "all"),
    ("aesthetic_quality", "all"),
    ("subject_consistency", "all"),
)
"""In each family the first that two cells have is shown."""


def tradeoffs(
    summary: Summary, measures: Mapping[str, Measure], speeds: Sequence[Mapping[str, Any]]
) -> list[tuple[Axis, Axis]]:
    """Motion against drift, and quality against frames per second, where they are known."""
    motion, drift, quality = (first_known(summary, family) for family in (MOTION, DRIFT, QUALITY))
    pairs = []
    if motion and drift:
        pairs.append((axis(summary, measures, drift), axis(summary, measures, motion)))
    if quality and speeds:
        pairs.append((speed_axis(speeds), axis(summary, measures, quality)))
    return pairs


def first_known(summary: Summary, family: Sequence[Column]) -> Column | None:
    """The first column that at least two cells have scores in."""
    for column in family:
        known = [cell for cell in summary.cells if column in summary.estimates[cell]]
        if sum(not np.isnan(summary.estimates[cell][column].mean) for cell in known) > 1:
            return column
    return None


def axis(summary: Summary, measures: Mapping[str, Measure], column: Column) -> Axis:
    """A metric as one side of a chart."""
    title, small = heading(column, measures)
    values = {name: table[column] for name, table in summary.estimates.items() if column in table}
    return Axis(title, f"{title} ({small})" if small else title, values)


def speed_axis(speeds: Sequence[Mapping[str, Any]]) -> Axis:
    """Frames per second as one side of a chart; its interval reaches from the slowest to the fastest run."""
    values = {}
    for cell in speeds:
        figures = cell["figures"]
        values[cell["cell"]] = Estimate(figures["fps"], figures["fps_slowest_run"], figures["fps_fastest_run"], 1)
    return Axis("speed", f"frames per second {ARROWS['higher']}", values)
