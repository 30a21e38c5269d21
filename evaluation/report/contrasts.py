"""What factors do and which differences do not matter, as tables of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluation.courses import judge
from evaluation.measure import Measure
from evaluation.report.view import DASH, WINDOW_WORDS, decimals, signed
from evaluation.statistics.factorial import Effect, design, effects
from evaluation.statistics.intervals import equivalence, largest_difference
from evaluation.summary import Column, Summary
from evaluation.table import Record

SAID: Final = {"equivalent": "no difference that matters", "different": "differs", "undecided": "undecided"}


@dataclass(frozen=True)
class Section:
    """A table of a report with a title and a sentence."""

    title: str
    told: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def factor_effects(
    records: Sequence[Record],
    factors: tuple[str, str],
    columns: Sequence[Column],
    measures: Mapping[str, Measure],
    reference: str,
) -> dict[Column, list[Effect]]:
    """Main effects and interactions on every column; nothing if a factor has a single level.

    Args:
        records: of all cells; those whose metadata do not tell the factors (a teacher's) take no part.
        factors: words of the metadata.
        columns: metrics and windows.
        measures: metrics by name.
        reference: the cell whose levels others are compared with.

    Raises:
        ValueError: the metadata of no video tell a factor, or the design lacks a pair of levels.
    """
    made = [r for r in records if not r.baseline]
    told = [r for r in made if all(factor in r.metadata for factor in factors)]
    if not told:
        known = sorted({key for r in made for key in r.metadata})
        raise ValueError(f"factors are {' and '.join(factors)}; metadata of videos have: {', '.join(known)}")
    ordered = sorted(told, key=lambda r: r.cell != reference)
    if any(len({str(r.metadata[factor]) for r in ordered}) < 2 for factor in factors):
        return {}
    return {column: effects(*design(ordered, factors, column, measures), factors=factors) for column in columns}


def effect_section(found: Mapping[Column, Sequence[Effect]], measures: Mapping[str, Measure]) -> Section:
    """Effects as a table, one metric and effect a row."""
    rows = []
    for column, some in found.items():
        places = decimals(abs(one.mean) for one in some)
        for one in some:
            ends = f"[{signed(one.low, places)}, {signed(one.high, places)}]"
            clear = "" if np.isnan(one.low) or one.low <= 0 <= one.high else "excludes 0"
            rows.append((titled(column, measures), one.name, signed(one.mean, places), ends, clear))
    told = (
        "A main effect is a level minus an earlier one, averaged over the other factor; an interaction is how "
        "much the effect of one factor changes with the other. Intervals: 95 %, over prompts and training seeds, not "
        "corrected for their number."
    )
    return Section("Factors", told, ("metric", "effect", "difference", "95 % interval", ""), tuple(rows))


def equivalence_section(summary: Summary, measures: Mapping[str, Measure], margins: Mapping[Column, float]) -> Section:
    """Which cells differ from the reference by no more than a margin, one metric and cell a row."""
    rows = []
    for column, margin in margins.items():
        for cell in summary.cells:
            compared = summary.compared(cell, column)
            if compared is None or np.isnan(compared.difference.low):
                continue
            low, high = compared.difference.low, compared.difference.high
            most = signed(largest_difference(low, high), decimals([margin])).lstrip("+")
            said = SAID[equivalence(low, high, margin)]
            rows.append((titled(column, measures), f"{cell} - {summary.reference}", f"{margin:g}", most or DASH, said))
    told = "A difference does not matter if its whole 95 % interval lies within the margin, declared beforehand."
    return Section("Equivalence", told, ("metric", "cells", "margin", "no difference larger than", "said"), tuple(rows))


def titled(column: Column, measures: Mapping[str, Measure]) -> str:
    """A metric and its window in words."""
    words = WINDOW_WORDS[column[1]]
    title = judge(measures[column[0]], column[1]).title
    return f"{title} ({words})" if words else title
