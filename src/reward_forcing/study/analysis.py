"""From scores to what a study found, as plain values that are worth committing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from evaluation import courses
from evaluation.measure import Measure
from evaluation.report.contrasts import factor_effects
from evaluation.report.reading import Results
from evaluation.statistics.intervals import equivalence, holm
from evaluation.summary import Column, Comparison, compare, estimate
from evaluation.table import Record, plain
from evaluation.windows import CLIP
from reward_forcing.study.design import Study, verdict

SCHEMA: Final = "reward-forcing/study/1"
TEACHER: Final = "teacher"


def found(study: Study, results: Results) -> dict[str, Any]:
    """Estimates, paired differences to the reference cell, and effects of the factors.

    Args:
        study: what was asked.
        results: of all cells, the teacher and baselines; records tell the levels of factors.
    """
    summary, measures = results.summary, results.measures
    columns = columns_of(study, summary.primary, measures)
    judges = {column: courses.judge(measures[column[0]], column[1]) for column in columns}
    cells = [cell for cell in summary.cells if cell != TEACHER]
    of_cell = {cell: [r for r in results.records if r.cell == cell] for cell in (*summary.cells, *summary.baselines)}
    reference = of_cell[study.reference]
    others = [cell for cell in (*cells, TEACHER) if cell in of_cell and cell != study.reference]
    compared = [one for cell in others for one in compare(of_cell[cell], reference, judges, measures)]
    return {
        "reference": study.reference,
        "cells": cells,
        "baselines": list(summary.baselines),
        "columns": [_column(column, study, judges[column], summary.optimised(judges[column])) for column in columns],
        "estimates": [
            {"cell": cell, "metric": metric, "window": window, **_numbers(vars(value))}
            for cell, records in of_cell.items()
            for (metric, window), value in estimate(records, fair(columns, cell), measures).items()
        ],
        "differences": _differences(compared, study, judges),
        "effects": _effects(study, results.records, columns, measures),
    }


def columns_of(study: Study, primary: Sequence[Column], measures: Mapping[str, Measure]) -> list[Column]:
    """Headlines, then what is usually compared, then their first clips, which a teacher makes, too."""
    usual = dict.fromkeys((*study.headline, *primary))
    clips = dict.fromkeys((metric, CLIP) for metric, _ in usual)
    return [column for column in dict.fromkeys((*usual, *clips)) if column[0] in measures]


def fair(columns: Sequence[Column], cell: str) -> list[Column]:
    """The columns on which a cell can be compared: a teacher's videos are clips."""
    return [column for column in columns if cell != TEACHER or column[1] == CLIP]


def _column(column: Column, study: Study, judge: Measure, optimised: bool) -> dict[str, Any]:
    return {
        "metric": column[0],
        "window": column[1],
        "title": judge.title,
        "unit": judge.unit,
        "better": judge.better,
        "target": plain(judge.target),
        "headline": column in study.headline,
        "optimised": optimised,
        "margin": study.equivalence.get(column),
    }


def _differences(
    compared: Sequence[Comparison], study: Study, judges: Mapping[Column, Measure]
) -> list[dict[str, Any]]:
    """Paired differences; p-values of headlines between students are corrected for their number."""
    first = [i for i, c in enumerate(compared) if c.column in study.headline and c.cell != TEACHER]
    corrected = dict(zip(first, holm([compared[i].p for i in first]), strict=True))
    return [
        {
            "cell": c.cell,
            "metric": c.metric,
            "window": c.window,
            **_numbers({name: getattr(c.difference, name) for name in ("mean", "low", "high")}),
            "verdict": c.verdict if judges[c.column].better == "target" else _verdict(c, judges),
            "p": plain(c.p),
            "p_holm": plain(corrected[i]) if i in corrected else None,
            "won": plain(c.won),
            "pairs": c.difference.videos,
            "equivalence": _equivalence(c, study),
        }
        for i, c in enumerate(compared)
        if c.difference.videos
    ]


def _verdict(compared: Comparison, judges: Mapping[Column, Measure]) -> str:
    return verdict(compared.difference.low, compared.difference.high, judges[compared.column].better)


def _equivalence(compared: Comparison, study: Study) -> str | None:
    margin = study.equivalence.get(compared.column)
    return equivalence(compared.difference.low, compared.difference.high, margin) if margin else None


def _effects(
    study: Study, records: Sequence[Record], columns: Sequence[Column], measures: Mapping[str, Measure]
) -> list[dict[str, Any]]:
    """Main effects and interactions of two factors; corrected over the headlines."""
    factors = tuple(study.factors)
    if len(factors) != 2:
        return []
    whole = [column for column in columns if column[1] != CLIP]
    table = factor_effects(records, (factors[0], factors[1]), whole, measures, study.reference)
    flat = [(column, effect) for column, some in table.items() for effect in some]
    first = [i for i, (column, _) in enumerate(flat) if column in study.headline]
    corrected = dict(zip(first, holm([flat[i][1].p for i in first]), strict=True))
    return [
        {
            "metric": metric,
            "window": window,
            **_numbers(vars(effect)),
            "verdict": verdict(effect.low, effect.high, courses.judge(measures[metric], window).better),
            "p_holm": plain(corrected[i]) if i in corrected else None,
        }
        for i, ((metric, window), effect) in enumerate(flat)
    ]


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: plain(float(value)) if isinstance(value, float | np.floating) else value for name, value in values.items()
    }
