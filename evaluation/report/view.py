"""Numbers in words: what a report says, before it is laid out as HTML, Markdown or a terminal table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from evaluation.courses import judge
from evaluation.measure import Measure
from evaluation.summary import Column, Comparison, Estimate, Summary
from evaluation.table import Record
from evaluation.windows import CLIP

DASH: Final = "–"
WORST: Final = 10
"""So many of the worst videos are listed."""
WINDOW_WORDS: Final = {
    "all": "",
    "clip": "first clip",
    "early": "first third",
    "middle": "middle third",
    "late": "last third",
    "drift_std": "drift: spread",
    "drift_last_first": "drift: last - first",
    "drift_start_end": "drift: |end - start|",
    "drift_five_seconds": "drift: |last - first 5 s|",
    "drift_slope": "drift: per minute",
    "drift_slope_robust": "drift: per minute, robust",
    "drift_vde_normalised": "drift: relative (VDE)",
    "drift_ratio": "drift: last / first",
    "worst_window": "worst windows (5 %)",
    "time_to_degrade": "time to degrade",
}
OPTIMISED: Final = "optimised"
"""Said of a metric that a cell was trained to score well on."""
WORDS: Final = {"better": "better on", "worse": "worse on", "unclear": "no clear difference in"}
ARROWS: Final = {"higher": "↑", "lower": "↓", "open": ""}


@dataclass(frozen=True)
class Shown:
    """One field of a table, as text."""

    value: str
    interval: str = ""
    change: str = ""
    """Difference to the reference cell."""
    change_interval: str = ""
    verdict: str = ""
    optimised: bool = False
    """Whether the cell was trained on what the column measures."""


@dataclass(frozen=True)
class Verdict:
    """What the primary columns say about one cell."""

    who: str
    basis: str
    said: tuple[tuple[str, str], ...]
    """Pairs such as ("better on", "shape (+0.10 [+0.05, +0.15])")."""

    def __str__(self) -> str:
        """All in one sentence."""
        return f"{self.who} ({self.basis}): {'; '.join(' '.join(pair) for pair in self.said)}."


@dataclass(frozen=True)
class Worst:
    """Videos to look at."""

    by: str
    """The metric."""
    rows: tuple[tuple[str, ...], ...]
    """Cell, prompt, seed, score, path."""


@dataclass(frozen=True)
class Row:
    """One cell's line of a table."""

    name: str
    kind: str
    """"reference", "cell" or "baseline"."""
    fields: tuple[Shown, ...]


@dataclass(frozen=True)
class Table:
    """A table as text."""

    headers: tuple[tuple[str, str], ...]
    """Title and small print of every column but the first."""
    rows: tuple[Row, ...]


def decimals(values: Iterable[float]) -> int:
    """Decimals that suit all values of a column: three digits of the largest."""
    largest = max((abs(value) for value in values if not np.isnan(value)), default=1.0)
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 0.3 else 3


def places_of(summary: Summary, column: Column) -> int:
    """Decimals of a column, by its cells; what is nonsense on purpose may be far larger."""
    return decimals(summary.estimates[cell][column].mean for cell in summary.cells)


def fixed(value: float, places: int) -> str:
    """A number with so many decimals; a dash for NaN, never minus zero."""
    return DASH if np.isnan(value) else f"{round(value, places) + 0.0:.{places}f}"


def signed(value: float, places: int) -> str:
    """A difference: always with its sign."""
    return DASH if np.isnan(value) else f"{round(value, places) + 0.0:+.{places}f}"


def interval(estimate: Estimate, places: int, form: Any = fixed) -> str:
    """The 95 % interval in brackets; empty if there is none."""
    return "" if np.isnan(estimate.low) else f"[{form(estimate.low, places)}, {form(estimate.high, places)}]"


def heading(column: Column, measures: Mapping[str, Measure], *, optimised: bool = False) -> tuple[str, str]:
    """Title and small print (unit, window, direction, and whether some cell was trained on it) of a column."""
    name, window = column
    measure = judge(measures[name], window)
    arrow = f"→ {measure.target:g}" if measure.better == "target" else ARROWS[measure.better]
    silent = window.startswith("drift")
    small = [measure.unit, WINDOW_WORDS[window], "" if silent else arrow, OPTIMISED if optimised else ""]
    return measure.title, ", ".join(word for word in small if word)


def cells_table(
    summary: Summary, measures: Mapping[str, Measure], columns: Sequence[Column], rates: Mapping[str, float]
) -> Table:
    """Cells and baselines by columns; differences to the reference; frames per second last if any was measured.

    Cells of another length are left out unless all columns are about first clips.
    """
    fair = all(window == CLIP for _, window in columns)
    names = [name for name in (*summary.cells, *summary.baselines) if fair or name not in summary.other_length]
    rows = [
        Row(name, _kind(name, summary), tuple(_field(summary, measures, name, c) for c in columns)) for name in names
    ]
    headers = [heading(c, measures, optimised=summary.optimised(measures[c[0]])) for c in columns]
    if rates:
        headers.append(("speed", "frames per second, ↑"))
        rows = [Row(r.name, r.kind, (*r.fields, Shown(fixed(rates.get(r.name, np.nan), 1)))) for r in rows]
    return Table(tuple(headers), tuple(rows))


def metrics_table(summary: Summary, measures: Mapping[str, Measure], window: str) -> Table:
    """All metrics in one window, metrics as rows: for many metrics and few cells."""
    names = (*summary.cells, *summary.baselines)
    used = [name for name, w in next(iter(summary.estimates.values())) if w == window]
    headers = tuple((name, _kind(name, summary)) for name in names)
    rows = [
        Row(
            _titled(metric, measures, summary),
            "cell",
            tuple(_field(summary, measures, name, (metric, window)) for name in names),
        )
        for metric in used
    ]
    return Table(headers, tuple(row for row in rows if any(field.value != DASH for field in row.fields)))


def _titled(metric: str, measures: Mapping[str, Measure], summary: Summary) -> str:
    return _with(*heading((metric, "all"), measures, optimised=summary.optimised(measures[metric])))


def _kind(name: str, summary: Summary) -> str:
    return "reference" if name == summary.reference else "baseline" if name in summary.baselines else "cell"


def _field(summary: Summary, measures: Mapping[str, Measure], name: str, column: Column) -> Shown:
    places = places_of(summary, column)
    estimate, compared = summary.estimates[name][column], summary.compared(name, column)
    value, spread = fixed(estimate.mean, places), interval(estimate, places)
    optimised = summary.optimised(measures[column[0]], name)
    if compared is None or np.isnan(compared.difference.mean):
        return Shown(value, spread, optimised=optimised)
    change = signed(compared.difference.mean, places)
    return Shown(value, spread, change, interval(compared.difference, places, signed), compared.verdict, optimised)


def verdicts(summary: Summary, measures: Mapping[str, Measure]) -> list[Verdict]:
    """One verdict for every cell against the reference, over the primary columns; what it was trained on comes last."""
    found = []
    for cell in summary.cells:
        known = [c for column in summary.primary_of(cell) if (c := summary.compared(cell, column)) is not None]
        compared = sorted(known, key=lambda c: summary.optimised(measures[c.metric], c.cell, c.reference))
        if compared:
            groups = {word: [c for c in compared if c.verdict == word] for word in ("better", "worse", "unclear")}
            said = [(word, [_finding(c, summary, measures) for c in some]) for word, some in groups.items() if some]
            prompts = max(c.prompts for c in compared)
            found.append(Verdict(f"{cell} against {summary.reference}", f"paired, {prompts} prompts", _joined(said)))
    return found


def _joined(said: Sequence[tuple[str, Sequence[str]]]) -> tuple[tuple[str, str], ...]:
    return tuple((WORDS[word], ", ".join(findings)) for word, findings in said)


def _finding(compared: Comparison, summary: Summary, measures: Mapping[str, Measure]) -> str:
    column = (compared.metric, compared.window)
    places = places_of(summary, column)
    title, window = measures[compared.metric].title, WINDOW_WORDS[compared.window]
    trained = OPTIMISED if summary.optimised(measures[compared.metric], compared.cell, compared.reference) else ""
    if compared.verdict == "unclear":
        return _with(title, window, trained)
    change = f"{signed(compared.difference.mean, places)} {interval(compared.difference, places, signed)}"
    return _with(f"{title}, {window}" if window else title, change.strip(), trained)


def _with(title: str, *notes: str) -> str:
    """A title with what there is to add in brackets."""
    said = ", ".join(filter(None, notes))
    return f"{title} ({said})" if said else title


def details(summary: Summary, measures: Mapping[str, Measure]) -> list[tuple[str, ...]]:
    """The primary comparisons in full: cell, metric, window, difference, interval, prompts won, p."""
    chosen = [c for c in summary.comparisons if summary.is_primary(c)]
    rows: list[tuple[str, ...]] = []
    for c in chosen:
        places = decimals([c.difference.mean, c.difference.low])
        rows.append(
            (
                f"{c.cell} - {c.reference}",
                _with(measures[c.metric].title, OPTIMISED if summary.optimised(measures[c.metric], c.cell) else ""),
                WINDOW_WORDS[c.window] or "whole video",
                signed(c.difference.mean, places),
                interval(c.difference, places, signed) or DASH,
                DASH if np.isnan(c.won) else f"{100 * c.won:.0f} %",
                str(c.prompts),
                DASH if np.isnan(c.p) else "< 0.001" if c.p < 0.001 else f"{c.p:.3f}",
            )
        )
    return rows


def worst(records: Sequence[Record], summary: Summary, measures: Mapping[str, Measure]) -> Worst | None:
    """The worst videos of all cells by the first primary metric that judges; None if none does."""
    for metric, window in summary.primary:
        measure = judge(measures[metric], window)
        scored = [
            (r, r.score(metric, window)) for r in records if not r.baseline and r.cell not in summary.other_length
        ]
        known = [(float(measure.error(np.array(score))), r, score) for r, score in scored if not np.isnan(score)]
        if measure.better != "open" and known:
            ranked = sorted(known, key=lambda row: (-row[0], row[1].cell, row[1].prompt, row[1].seed))[:WORST]
            places = decimals(score for _, _, score in ranked)
            rows = [(r.cell, r.prompt, str(r.seed), fixed(score, places), r.video) for _, r, score in ranked]
            words = heading((metric, window), measures, optimised=summary.optimised(measures[metric]))
            return Worst(", ".join(filter(None, words)), tuple(rows))
    return None
