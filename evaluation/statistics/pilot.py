"""`reward-forcing evaluation plan`: from a pilot, or from what is known of a metric, to how many prompts are needed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from evaluation.measure import discover
from evaluation.results import RESULTS, read_content
from evaluation.statistics.crossed import Key, key_of, paired
from evaluation.statistics.power import (
    USUAL,
    Demand,
    Noise,
    noise_of_flags,
    noise_of_pairs,
    noise_of_scores,
    power_of,
    prompts_needed,
    smallest_difference,
)
from evaluation.summary import DRIFTS, WINDOWS, Column, scores
from evaluation.table import Record, from_json, metric_names
from evaluation.windows import CLIP

PROMPTS: Final = (12, 24, 48, 96, 192, 384)
"""Rows of the table unless others are asked for."""

TRAINING: Final = (
    "None of this covers how training varies: a claim about a method needs 3 training seeds a cell or more."
)


@dataclass(frozen=True)
class Pilot:
    """Two cells compared on the videos they share."""

    cells: tuple[str, str]
    differences: Float[np.ndarray, " video"]
    """The first cell minus the second; NaN where one has no score."""
    prompts: tuple[str, ...]
    flags: bool

    @property
    def known(self) -> list[str]:
        """Of every difference there is, its prompt."""
        return [prompt for prompt, value in zip(self.prompts, self.differences, strict=True) if not np.isnan(value)]

    @property
    def seeds(self) -> int:
        """How many differences most prompts have."""
        return Counter(Counter(self.known).values()).most_common(1)[0][0] if self.known else 1


@dataclass(frozen=True)
class Stated:
    """What is known of a metric without a pilot; or besides it, how seeds correlate."""

    sd: float | None = None
    """Standard deviation of scores between videos."""
    proportion: float | None = None
    """Share of videos with a flag."""
    correlation: float = 0.0
    """Between paired videos of two cells."""
    seed_correlation: float | None = None
    """Between the differences of two seeds of a prompt."""


def plan(
    results: Path | None = None,
    *,
    delta: float,
    metric: str = "",
    window: str = "all",
    cells: tuple[str, str] | None = None,
    stated: Stated = Stated(),
    seeds: int | None = None,
    demand: Demand = USUAL,
    prompts: Sequence[int] = PROMPTS,
) -> str:
    """How many prompts find a difference `delta`, and what other numbers of prompts can find, in words and a table.

    Args:
        results: what `reward-forcing evaluate` wrote about a pilot, or its folder; None if numbers are stated.
        delta: the smallest difference that matters, in the metric's units.
        metric: which of the pilot's metrics.
        window: the part of the video, or the kind of drift.
        cells: what is compared with what in the pilot; by default its first other cell with its reference.
        stated: what is known without a pilot.
        seeds: videos of a prompt in every cell; by default as in the pilot, otherwise 1.
        demand: power and alpha.
        prompts: rows of the table.

    Raises:
        ValueError: there is neither a pilot nor a stated number, or both; the pilot lacks what is asked for; or a
            number is outside what it may be.
    """
    given = [results is not None, stated.sd is not None, stated.proportion is not None]
    if any(count < 1 for count in prompts):
        raise ValueError(f"prompts is {min(prompts)}; it must be at least 1")
    if sum(given) != 1:
        raise ValueError("a plan starts from one of: RESULTS of a pilot, --sd, --proportion; give exactly one")
    if results is None:
        noise, words = stated_noise(stated, delta), []
    else:
        pilot = read_pilot(results, (metric, window), cells)
        noise, words = pilot_noise(pilot, stated), pilot_words(pilot, (metric, window))
        seeds = pilot.seeds if seeds is None else seeds
    return "\n".join([*words, *table(noise, delta, 1 if seeds is None else seeds, demand, prompts), TRAINING])


def stated_noise(stated: Stated, delta: float) -> Noise:
    """The noise of differences between cells that are as stated, one of them better by delta."""
    of_seeds = 1.0 if stated.seed_correlation is None else stated.seed_correlation
    if stated.proportion is not None:
        return noise_of_flags(stated.proportion, delta, stated.correlation, of_seeds=of_seeds)
    return noise_of_scores(stated.sd or 0.0, stated.correlation, of_seeds=of_seeds)


def pilot_noise(pilot: Pilot, stated: Stated) -> Noise:
    """The noise of the pilot; a stated correlation of seeds replaces the pilot's."""
    noise = noise_of_pairs(pilot.differences, pilot.prompts, flags=pilot.flags)
    return noise if stated.seed_correlation is None else replace(noise, correlation=stated.seed_correlation)


def pilot_words(pilot: Pilot, column: Column) -> list[str]:
    """What the pilot is, and how well it knows."""
    count, videos = len(set(pilot.known)), len(pilot.known)
    doubt = 100 / np.sqrt(2 * (count - 1))
    said = [
        f"{column[0]} ({column[1]}), {pilot.cells[0]} - {pilot.cells[1]}: {np.nanmean(pilot.differences):+.3g} in "
        f"{videos} pairs of videos of {count} prompts",
        f"The pilot knows how much differences vary to {doubt:.0f} %, so a number of prompts to {2 * doubt:.0f} %.",
    ]
    if videos == count:
        said.append("It has one seed a prompt: more seeds are taken to say nothing new (or give --seed-correlation).")
    return said


def table(noise: Noise, delta: float, seeds: int, demand: Demand, prompts: Sequence[int]) -> list[str]:
    """The answer in a sentence, and a line for every number of prompts."""
    needed = prompts_needed(noise, delta, seeds=seeds, demand=demand)
    rows = sorted({needed, *(count for count in prompts if count >= demand.fewest)})
    seeded = f", correlating by {noise.correlation:.2g} between seeds of a prompt" if seeds > 1 else ""
    return [
        f"Differences of videos vary by {noise.sd:.3g} (standard deviation){seeded}.",
        f"To find {delta:g} with power {demand.power:g} at alpha {demand.alpha:g}: {needed} prompts x {seeds} "
        f"seed{'s' if seeds > 1 else ''}, {needed * seeds} videos a cell.",
        "",
        f"{'prompts':>8} {'videos a cell':>14} {'smallest difference':>20} {f'power for {delta:g}':>18}",
        *(
            f"{count:>8} {count * seeds:>14} {smallest_difference(noise, count, seeds=seeds, demand=demand):>20.3g} "
            f"{power_of(noise, delta, count, seeds=seeds, demand=demand):>18.2f}"
            for count in rows
        ),
        "",
    ]


def read_pilot(results: Path, column: Column, cells: tuple[str, str] | None = None) -> Pilot:
    """The paired differences of two cells in a results file (or the folder it is in).

    Videos of another length are compared on first clips only, as in reports.

    Raises:
        ValueError: the file is missing or not of this kind, a cell, metric or window is unknown, or the cells share no
            video.
    """
    content = read_content(results / RESULTS if results.is_dir() else results, {"reference": str})
    records = [from_json(video) for video in content["videos"]]
    chosen = cells or _usual(records, content["reference"])
    _check(records, column, chosen)
    sides = [_scored([r for r in records if r.cell == cell and not r.baseline], column) for cell in chosen]
    pairs, keys = paired(*sides[0], *sides[1])
    first, length, second, other_length = pairs.T
    comparable = (length == other_length) | (column[1] == CLIP)
    both = np.where(comparable, (first, second), np.nan)
    flags = bool(np.isin(both[~np.isnan(both)], (0, 1)).all())
    return Pilot(chosen, both[0] - both[1], tuple(key.prompt for key in keys), flags)


def _scored(records: Sequence[Record], column: Column) -> tuple[Float[np.ndarray, "video 2"], list[Key]]:
    """Score and length of every video, and what it was made from."""
    lengths = [float(r.frames) for r in records]
    return np.column_stack([scores(records, [column], discover())[:, 0], lengths]), [key_of(r) for r in records]


def _usual(records: Sequence[Record], reference: str) -> tuple[str, str]:
    other = next((r.cell for r in records if not r.baseline and r.cell != reference), None)
    if other is None:
        raise ValueError(
            f"the pilot has one cell, {reference!r}; a plan needs two to pair, or state --sd or --proportion"
        )
    return other, reference


def _check(records: Sequence[Record], column: Column, cells: tuple[str, str]) -> None:
    made = [r for r in records if not r.baseline]
    allowed: list[tuple[str, str, Sequence[str]]] = [
        *(("cells", cell, list(dict.fromkeys(r.cell for r in made))) for cell in cells),
        ("metric", column[0], metric_names(made)),
        ("window", column[1], (*WINDOWS, *DRIFTS)),
    ]
    for place, value, known in allowed:
        if value not in known:
            raise ValueError(f"{place}: {value!r} is unknown; allowed: {', '.join(known)}")
