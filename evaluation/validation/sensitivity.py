"""Which damage moves which metric, and which must not: the validation of the metrics, published.

`python -m evaluation.validation.sensitivity` measures every row on true toy videos damaged in known ways and writes
`docs/metrics-sensitivity.md`; the tests hold what the rows promise, and that the page is what the code measures.
A new metric is one more row.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import torch

from evaluation.evidence import Evidence, look
from evaluation.functional import degradation, drift
from evaluation.measure import discover
from evaluation.table import atomically
from evaluation.validation.corruptions import CORRUPTIONS, Corruption
from evaluation.validation.expectations import ROWS, Row
from evaluation.validation.stand_ins import STAND_INS
from evaluation.windows import WHOLE, Cut, cut
from reward_forcing.toy.world import sample, trace

WORLD: Final = 77
PROMPTS: Final = (
    "red circle fast pan-fast",
    "cyan triangle medium pan-slow",
    "blue cross slow pan-fast",
    "yellow circle medium plain",
)
FRAMES: Final = 48
HALF, FULL = 0.5, 1.0
MOVED: Final = 0.1
"""A change of this share of a row's size is one."""
STAYED: Final = 0.03
"""A change below this share is none."""
PAGE: Final = Path(__file__).parents[2] / "docs/metrics-sensitivity.md"

Sense: TypeAlias = Literal["up", "down", "still", "open"]
SIGNS: Final[Mapping[str, int]] = {"up": 1, "down": -1}
ARROWS: Final[Mapping[str, str]] = {"up": "↑", "down": "↓", "still": "=", "open": ""}


@dataclass(frozen=True)
class Change:
    """How far a damage moved a row: score minus the truth's, mean over videos; NaN where nothing can be said."""

    half: float
    full: float


@dataclass(frozen=True)
class Found:
    """One row, measured."""

    row: Row
    truth: float
    changes: Mapping[str, Change]
    """By corruption."""


def expected(row: Row, corruption: str) -> Sense:
    """What a row promises. Raises ValueError for a corruption it names twice."""
    named = [sense for sense in ("up", "down", "still") if corruption in getattr(row, sense)]
    if len(named) > 1:
        raise ValueError(
            f"expectations: {row.name!r} has {corruption!r} in {' and '.join(named)}; allowed: one of them"
        )
    senses: dict[str, Sense] = {"up": "up", "down": "down", "still": "still"}
    return senses[named[0]] if named else "open"


def measure_all(
    rows: Sequence[Row] = ROWS, corruptions: Sequence[Corruption] = CORRUPTIONS, prompts: Sequence[str] = PROMPTS
) -> list[Found]:
    """Every row on the truth and on every damage, at half and full severity."""
    truth = _scores(rows, corruptions[0], 0.0, prompts)
    half, full = ({c.name: _scores(rows, c, severity, prompts) for c in corruptions} for severity in (HALF, FULL))
    return [
        Found(
            row, truth[i], {c.name: Change(half[c.name][i] - truth[i], full[c.name][i] - truth[i]) for c in corruptions}
        )
        for i, row in enumerate(rows)
    ]


def _scores(rows: Sequence[Row], corruption: Corruption, severity: float, prompts: Sequence[str]) -> list[float]:
    states = [trace([sample(WORLD, i, caption=prompt)], 0, FRAMES) for i, prompt in enumerate(prompts)]
    frames = torch.stack([corruption(one, severity) for one in states])
    evidence = look(frames, prompts, instruments=STAND_INS)
    return [score(row, evidence) for row in rows]


def score(row: Row, evidence: Evidence) -> float:
    """A row's mean over videos: of its metric on whole videos, or of a statistic over sliding windows."""
    measure = discover()[row.metric]
    if row.statistic == WHOLE:
        return float(measure(evidence).nanmean())
    windows = [part for part in cut(evidence.length, Cut()) if not part.name]
    table = torch.stack([measure(evidence.between(part.start, part.stop)) for part in windows], 1).double().numpy()
    module = degradation if row.statistic == "worst_window" else drift
    return float(torch.as_tensor(getattr(module, row.statistic)(table)).nanmean())


def broken(found: Sequence[Found]) -> Iterator[str]:
    """Every promise that does not hold, in words: moving, keeping still, and moving further when it is worse."""
    for one in found:
        for name, change in one.changes.items():
            sense, size = expected(one.row, name), one.row.size
            words = (
                f"{one.row.name} under {name} changes by {change.half:+.3g} and {change.full:+.3g}, expected {sense}"
            )
            if sense == "still" and not (abs(change.half) <= STAYED * size and abs(change.full) <= STAYED * size):
                yield f"{words}: at most {STAYED * size:.3g}"
            if sense in SIGNS:
                half, full = SIGNS[sense] * change.half, SIGNS[sense] * change.full
                if not full >= MOVED * size:
                    yield f"{words}: at least {MOVED * size:.3g}"
                if not -MOVED * size <= half <= full + MOVED * size:
                    yield f"{words}: not beyond the full damage, nor the other way"


def page(found: Sequence[Found]) -> str:
    """The published page, as Markdown."""
    names = list(found[0].changes)
    lines = [f"| metric | truth | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for one in found:
        fields = [_field(one, name) for name in names]
        lines.append(f"| {one.row.name} | {_number(one.truth)} | {' | '.join(fields)} |")
    return f"{INTRODUCTION.format(frames=FRAMES, prompts=len(PROMPTS))}\n{chr(10).join(lines)}\n"


def _field(one: Found, name: str) -> str:
    return f"{ARROWS[expected(one.row, name)]} {_number(one.changes[name].full, '+')}".strip()


def _number(value: float, sign: str = "") -> str:
    """Two significant digits, at most 3 decimals; a dash for NaN."""
    if math.isnan(value):
        return "–"
    places = next((places for places, least in enumerate((9.5, 0.95, 0.095)) if abs(value) >= least), 3)
    return "0" if abs(value) < 5e-4 else f"{value:{sign}.{places}f}"


def main(target: Path = PAGE) -> None:
    """Write the page."""
    atomically(target, lambda partial: partial.write_text(page(measure_all()), encoding="utf-8"))


INTRODUCTION: Final = """\
# What moves which metric

Written by `python -m evaluation.validation.sensitivity`; the tests hold it. True toy videos ({prompts} of {frames}
frames) are damaged on purpose (`evaluation/validation/corruptions.py`), and every metric is taken of them. Shown: the
truth's score, and how far full damage moves it. **↑ ↓**: it must move this way, further when the damage is worse.
**=**: it must not move. Without a mark nothing is promised.

Read it by columns, too. *Frozen* leaves nearly everything as good as the truth or better; only motion, stagnation and
copying tell. *Jitter* (a still that shakes) fools motion from frame to frame, not that over 12 frames. The spread of
fidelity over windows, as drift is usually given, does not see constant noise.

Rows marked * look through small stand-ins fixed by a seed instead of their networks
(`evaluation/validation/stand_ins.py`): they show what the arithmetic does, not what the real networks see.
"""

if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
