"""From scores of videos to statements about cells: means, curves over time and paired differences, with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from evaluation import courses
from evaluation.measure import Measure
from evaluation.statistics import intervals
from evaluation.statistics.crossed import Key, bootstrap_of, column_by_column, difference_of, key_of, means
from evaluation.table import Record, metric_names, sliding
from evaluation.windows import CLIP, PARTS, WHOLE

WINDOWS: Final = (WHOLE, CLIP, *PARTS)
DRIFTS: Final = courses.DRIFTS
PRIMARY: Final = (
    ("net_displacement", WHOLE),
    ("scroll_ratio", WHOLE),
    ("palette_drift", "late"),
    ("copy_score", "late"),
    ("contrast", "late"),
    ("one_sprite", WHOLE),
    ("shape_accuracy", WHOLE),
)
"""Compared between cells and corrected for their number; everything else is exploratory.

Videos of other worlds have none of these: then whole videos are compared on all their metrics."""

Column = tuple[str, str]
"""A metric, and the window or kind of drift it is taken over."""


@dataclass(frozen=True)
class Estimate:
    """A mean over videos with its 95 % interval over prompts, and training seeds if a cell has several; else NaN."""

    mean: float
    low: float
    high: float
    videos: int


@dataclass(frozen=True)
class Comparison:
    """Two cells on the videos they share: `cell` minus `reference`."""

    cell: str
    reference: str
    metric: str
    window: str
    difference: Estimate
    verdict: Literal["better", "worse", "unclear", "open"]
    """By the interval of the improvement; "open" for metrics that do not judge."""
    won: float
    """Share of prompts on which `cell` is better."""
    p: float
    """Sign-flip test over prompts; adjusted by Holm for the primary columns."""
    prompts: int

    @property
    def column(self) -> Column:
        """Metric and window."""
        return (self.metric, self.window)


@dataclass(frozen=True)
class Curve:
    """A metric along the video, one point a sliding window."""

    seconds: tuple[float, ...]
    """Middles of the windows."""
    points: tuple[Estimate, ...]


@dataclass(frozen=True)
class Summary:
    """Everything a report says about scores."""

    reference: str
    cells: tuple[str, ...]
    baselines: tuple[str, ...]
    estimates: Mapping[str, Mapping[Column, Estimate]]
    curves: Mapping[str, Mapping[str, Curve]]
    comparisons: tuple[Comparison, ...]
    primary: tuple[Column, ...]
    other_length: tuple[str, ...]
    """Cells whose videos are not as long as the reference's: only their first clips are comparable."""
    rewards: Mapping[str, str] = field(default_factory=dict)
    """Of every cell that was trained on one, as its videos' metadata say."""

    def primary_of(self, cell: str) -> tuple[Column, ...]:
        """The columns on which a cell is first of all compared."""
        clips = tuple(dict.fromkeys((metric, CLIP) for metric, _ in self.primary))
        return clips if cell in self.other_length else self.primary

    def is_primary(self, compared: Comparison) -> bool:
        """Whether a comparison is one of those corrected for their number."""
        return compared.column in self.primary_of(compared.cell)

    def compared(self, cell: str, column: Column) -> Comparison | None:
        """The comparison of a cell with the reference; None for the reference itself and for baselines."""
        return self._by_cell_and_column.get((cell, column))

    @cached_property
    def _by_cell_and_column(self) -> dict[tuple[str, Column], Comparison]:
        return {(c.cell, c.column): c for c in self.comparisons}

    def optimised(self, measure: Measure, *cells: str) -> bool:
        """Whether one of these cells (by default, any) was trained on a reward that contains what a metric measures."""
        return any(measure.optimised(self.rewards.get(cell, "")) for cell in cells or self.cells)


def summarise(records: Sequence[Record], measures: Mapping[str, Measure], reference: str | None = None) -> Summary:
    """Summarise all records; the reference cell is the first one by default.

    Raises:
        ValueError: there is no such reference cell.
    """
    cells = tuple(dict.fromkeys(r.cell for r in records if not r.baseline))
    baselines = tuple(dict.fromkeys(r.cell for r in records if r.baseline))
    reference = check_reference(reference, cells)
    of_cell = {cell: [r for r in records if r.cell == cell] for cell in (*cells, *baselines)}
    metrics = [name for name in metric_names(records) if name in measures]
    columns = [(name, window) for name in metrics for window in (*WINDOWS, *DRIFTS)]
    primary = tuple(c for c in PRIMARY if c in columns) or tuple((name, WHOLE) for name in metrics)
    judges = {column: courses.judge(measures[column[0]], column[1]) for column in columns}
    others = [cell for cell in cells if cell != reference]
    compared = [c for cell in others for c in compare(of_cell[cell], of_cell[reference], judges, measures)]
    summary = Summary(
        reference=reference,
        cells=cells,
        baselines=baselines,
        estimates={cell: estimate(part, columns, measures) for cell, part in of_cell.items()},
        curves={cell: {name: curve(part, name) for name in metrics} for cell, part in of_cell.items()},
        comparisons=tuple(compared),
        primary=primary,
        other_length=tuple(cell for cell in others if _lengths(of_cell[cell]) != _lengths(of_cell[reference])),
        rewards=rewards(records),
    )
    return replace(summary, comparisons=adjusted(summary))


def check_reference(reference: str | None, cells: Iterable[str]) -> str:
    """The reference cell: the first one by default. Raises ValueError if there is no such cell."""
    known = list(cells)
    if reference is not None and reference not in known:
        raise ValueError(f"reference: {reference!r} is not a cell of these videos; allowed: {', '.join(known)}")
    return known[0] if reference is None else reference


def rewards(records: Iterable[Record]) -> dict[str, str]:
    """What each cell was trained on, in its makers' words; cells without a reward are not named."""
    named = {r.cell: str(r.metadata.get("reward") or "none") for r in records if not r.baseline}
    return {cell: reward for cell, reward in named.items() if reward != "none"}


def _lengths(records: Sequence[Record]) -> set[int]:
    return {r.frames for r in records}


def scores(
    records: Sequence[Record], columns: Sequence[Column], measures: Mapping[str, Measure] | None = None
) -> Float[np.ndarray, "video column"]:
    """The table behind all estimates; what depends on which scores are better is NaN for metrics not in `measures`."""
    if not records:
        return np.empty((0, len(columns)))
    return np.stack([courses.score(records, *column, (measures or {}).get(column[0])) for column in columns], 1)


def estimate(
    records: Sequence[Record], columns: Sequence[Column], measures: Mapping[str, Measure] | None = None
) -> dict[Column, Estimate]:
    """The mean of every column with its interval."""
    table = scores(records, columns, measures)
    return dict(zip(columns, _estimates(table, [key_of(r) for r in records]), strict=True))


def _estimates(table: Float[np.ndarray, "video column"], keys: Sequence[Key]) -> list[Estimate]:
    if not len(table) or not table.shape[1]:
        return [Estimate(np.nan, np.nan, np.nan, 0)] * table.shape[1]
    interval = column_by_column(table, keys, lambda columns: bootstrap_of(means, table[:, columns], keys))
    known = (~np.isnan(table)).sum(0)
    rows = zip(interval.mean, interval.low, interval.high, known, strict=True)
    return [Estimate(float(mean), float(low), float(high), int(videos)) for mean, low, high, videos in rows]


def curve(records: Sequence[Record], metric: str) -> Curve:
    """A metric in the sliding windows of a cell's longest video."""
    points = _estimates(sliding(records, metric), [key_of(r) for r in records])
    longest = max(records, key=lambda r: r.frames)
    middles = [(part.start + part.stop) / 2 / longest.fps for part in longest.windows if not part.name]
    return Curve(tuple(middles[: len(points)]), tuple(points))


def compare(
    cell: Sequence[Record],
    reference: Sequence[Record],
    judges: Mapping[Column, Measure],
    measures: Mapping[str, Measure] | None = None,
) -> list[Comparison]:
    """Compare two cells, column by column, on the (prompt, seed, training seed) they share.

    Where two videos differ in length only their first clips are compared.
    """
    other = {key_of(r): r for r in reference}
    ours = [r for r in cell if key_of(r) in other]
    if not ours:
        return []
    theirs = [other[key_of(r)] for r in ours]
    columns, keys = list(judges), [key_of(r) for r in ours]
    prompts = [key.prompt for key in keys]
    a, b = scores(ours, columns, measures), scores(theirs, columns, measures)
    unequal = np.array([[x.frames != y.frames] for x, y in zip(ours, theirs, strict=True)])
    unknown = np.isnan(a) | np.isnan(b) | unequal & np.array([window != CLIP for _, window in columns])
    a, b = np.where(unknown, np.nan, a), np.where(unknown, np.nan, b)
    improvement = column_by_column(a, keys, lambda some: _improvement(a, b, keys, judges, some))
    by_prompt = intervals.cluster_means(a, prompts), intervals.cluster_means(b, prompts)
    won = intervals.share_won(_errors(by_prompt[1], judges) - _errors(by_prompt[0], judges))
    return [
        Comparison(
            cell=ours[0].cell,
            reference=theirs[0].cell,
            metric=metric,
            window=window,
            difference=difference,
            verdict=verdict(improvement.low[i], improvement.high[i]),
            won=float(won[i]),
            p=intervals.sign_flip_p((by_prompt[0] - by_prompt[1])[:, i]),
            prompts=int((~np.isnan(by_prompt[0][:, i])).sum()),
        )
        for i, ((metric, window), difference) in enumerate(zip(columns, _estimates(a - b, keys), strict=True))
    ]


def _improvement(
    ours: Float[np.ndarray, "video column"],
    theirs: Float[np.ndarray, "video column"],
    keys: Sequence[Key],
    judges: Mapping[Column, Measure],
    some: Sequence[int],
) -> intervals.Interval:
    """By how much ours are better, in some of the columns."""
    columns = list(judges)
    chosen = {columns[i]: judges[columns[i]] for i in some}
    return difference_of(lambda drawn: -_errors(drawn, chosen), ours[:, some], keys, theirs[:, some], keys)


def _errors(
    means: Float[np.ndarray, "row column"], judges: Mapping[Column, Measure]
) -> Float[np.ndarray, "row column"]:
    return np.stack([judge.error(means[:, i]) for i, judge in enumerate(judges.values())], 1)


def verdict(low: float, high: float) -> Literal["better", "worse", "unclear", "open"]:
    """What the interval of an improvement says."""
    if np.isnan(low) or np.isnan(high):
        return "open"
    return "better" if low > 0 else "worse" if high < 0 else "unclear"


def adjusted(summary: Summary) -> tuple[Comparison, ...]:
    """The same comparisons, p-values of the primary ones corrected for their number (over all cells)."""
    chosen = [i for i, c in enumerate(summary.comparisons) if summary.is_primary(c)]
    p_values = dict(zip(chosen, intervals.holm([summary.comparisons[i].p for i in chosen]), strict=True))
    return tuple(replace(c, p=p_values.get(i, c.p)) for i, c in enumerate(summary.comparisons))
