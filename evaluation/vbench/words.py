"""Totals in words: what is complete under its name, what is not under another."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from evaluation.table import Record
from evaluation.vbench import totals
from evaluation.vbench.totals import ALL, DIMENSIONS, IMAGE, LONG, QUALITY, SEMANTIC, Dimension, normalise
from evaluation.windows import WHOLE

Whole = Callable[[Mapping[str, float]], float]
LINES: Final[tuple[tuple[str, Sequence[Dimension], Whole], ...]] = (
    ("Quality", QUALITY, totals.quality),
    ("Semantic", SEMANTIC, totals.semantic),
    ("Total", (*QUALITY, *SEMANTIC), totals.total),
)
SPECIAL: Final[tuple[tuple[str, Sequence[Dimension], Whole], ...]] = (
    ("long total, six dimensions", LONG, totals.long_total),
    ("I2V total", (*IMAGE, *LONG), totals.image_total),
)
"""Told only where all members are there."""

COLUMN: Final = 34  # letters of names


def told_totals(title: str, scores: Mapping[str, float]) -> list[str]:
    """Lines for people, in percent: totals, then every dimension's score, raw and normalised."""
    found = [title, *(_told(name, members, whole, scores) for name, members, whole in LINES)]
    for name, members, whole in SPECIAL:
        if not totals.partial(scores, members).missing:
            found.append(_row(name, whole(scores)))
    known = {name: scores[name] for name in ALL if not math.isnan(scores.get(name, math.nan))}
    return found + [_row(f"  {name}", s) + f"   normalised {100 * normalise(name, s):.2f}" for name, s in known.items()]


def _told(name: str, members: Sequence[Dimension], whole: Whole, scores: Mapping[str, float]) -> str:
    """A total; where members are missing, what is there under another name, and nothing where groups are mixed."""
    part = totals.partial(scores, members)
    if not part.missing:
        return _row(name, whole(scores))
    if name == "Total":
        return _row(name, math.nan) + f"   {len(part.missing)} dimensions are missing"
    return _row(f"{name}: {part.label}", part.mean) + f"   missing: {', '.join(part.missing)}"


def _row(name: str, share: float) -> str:
    return f"  {name:<{COLUMN}}" + (f"{'-':>8}" if math.isnan(share) else f"{100 * share:8.2f}")


def own_scores(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Mean scores of whole videos by cell and dimension, from our own evaluation.

    Where videos note what VBench scores them on (import with the suite), a dimension's mean is over its own videos.
    """
    suited = any(_dimensions(record) is not None for record in records)
    found: dict[str, dict[str, float]] = {}
    for cell in dict.fromkeys(record.cell for record in records):
        of_cell = [record for record in records if record.cell == cell]
        for name in DIMENSIONS:
            mine = [r for r in of_cell if not suited or name in (_dimensions(r) or ())]
            values = [score for record in mine if not math.isnan(score := _score(record, name))]
            found.setdefault(cell, {}).update({name: sum(values) / len(values)} if values else {})
    return found


def _score(record: Record, name: str) -> float:
    """A metric is called after its dimension, or `vbench/` and its name; proxies are called otherwise."""
    plain = record.score(name, WHOLE)
    return record.score(f"vbench/{name}", WHOLE) if math.isnan(plain) else plain


def _dimensions(record: Record) -> Any:
    return record.metadata.get("vbench", {}).get("dimensions")
