"""What a report's numbers do not say, found by looking at them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from evaluation.evidence import is_toy
from evaluation.measure import Measure
from evaluation.summary import Summary
from evaluation.table import Record

FEW_PROMPTS: Final = 20
SHOWN: Final = 3
"""So many failures are named."""
TRAINING_SEEDS: Final = 3
"""Fewer trained models per cell say nothing about how much training varies."""


def caveats(
    records: Sequence[Record],
    summary: Summary,
    content: Mapping[str, Any],
    measures: Mapping[str, Measure] | None = None,
) -> list[str]:
    """One sentence for every reason to read the numbers with care.

    Args:
        records: all scores.
        summary: of them.
        content: what the results file says was skipped and failed.
        measures: the metrics, where those that training optimised are to be named.
    """
    made = [r for r in records if not r.baseline]
    found = [
        _training(made),
        _length(made),
        _coverage(made),
        _world(made),
        _prompts(made),
        _reward(summary, measures or {}),
    ]
    found += [_failed(content), *_odd(made), _skipped(content)]
    several = len([c for c in summary.comparisons if summary.is_primary(c)])
    if several > 1:
        found.append(
            f"{several} primary comparisons: their p-values are corrected for that (Holm), their intervals are not; "
            "everything else in this report is exploratory."
        )
    return [caveat for caveat in found if caveat]


def _training(records: Sequence[Record]) -> str:
    seeds: dict[str, set[object]] = {}
    for r in records:
        seeds.setdefault(r.cell, set()).add(r.metadata.get("training_seed"))
    fewest = min(len(known) for known in seeds.values())
    if fewest >= TRAINING_SEEDS:
        return ""
    return f"Training seeds per cell: {fewest}. Intervals cover the choice of prompts only, not how training varies."


def _length(records: Sequence[Record]) -> str:
    lengths = {cell: {r.frames for r in records if r.cell == cell} for cell in {r.cell: 0 for r in records}}
    if len({frozenset(known) for known in lengths.values()}) == 1:
        return ""
    words = ", ".join(f"{cell} {'/'.join(map(str, sorted(known)))}" for cell, known in lengths.items())
    return f"Videos differ in length ({words} frames): those of another length are compared on the first clip only."


def _coverage(records: Sequence[Record]) -> str:
    cells = {cell: {(r.prompt, r.seed) for r in records if r.cell == cell} for cell in {r.cell: 0 for r in records}}
    union = set().union(*cells.values())
    missing = [f"{cell} lacks {len(union - has)}" for cell, has in cells.items() if union - has]
    words = f"{', '.join(missing)} of {len(union)} (prompt, seed) pairs"
    return f"Coverage is partial: {words}; differences use what two cells share." if missing else ""


def _world(records: Sequence[Record]) -> str:
    without = sum("one_sprite" not in r.scores and not is_toy(r.prompt) for r in records)
    return f"{without} videos are not of the toy world: no ground truth, only metrics on pixels." if without else ""


def _prompts(records: Sequence[Record]) -> str:
    count = len({r.prompt for r in records})
    return f"Only {count} prompts: intervals of so few are too narrow." if count < FEW_PROMPTS else ""


def _reward(summary: Summary, measures: Mapping[str, Measure]) -> str:
    trained = ", ".join(f"{cell}: {reward}" for cell, reward in summary.rewards.items())
    scored = {metric for metric, _ in next(iter(summary.estimates.values()), {})}
    titles = [m.title for name, m in measures.items() if name in scored and summary.optimised(m)]
    which = f", here {', '.join(titles)}," if titles else ""
    return (
        f"Trained on a reward ({trained}): metrics of the same quantity{which} are optimised, not independent."
        if trained
        else ""
    )


def _failed(content: Mapping[str, Any]) -> str:
    failed = content["failed"]
    words = "; ".join(f"{one['video'] or one['cell']}: {one['reason']}" for one in failed[:SHOWN])
    more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return f"Videos without scores: {len(failed)} ({words}{more})." if failed else ""


def _odd(records: Sequence[Record]) -> list[str]:
    """What was odd about videos, each oddity once."""
    where: dict[str, list[str]] = {}
    for r in records:
        for note in r.notes:
            where.setdefault(note, []).append(f"{r.cell}: {r.video}")
    return [f"{len(videos)} videos (the first, {videos[0]}): {note}." for note, videos in where.items()]


def _skipped(content: Mapping[str, Any]) -> str:
    names = sorted(content["skipped"])
    return f"Not measured: {', '.join(names)}; reasons stand under Protocol." if names else ""
