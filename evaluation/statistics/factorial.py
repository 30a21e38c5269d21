"""What each of two factors does, and whether one changes what the other does: contrasts between cells.

The first level of a factor, in the order of the cells, is its reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from evaluation.measure import Measure
from evaluation.statistics.crossed import Key, Method, bootstrap_of, key_of, means
from evaluation.statistics.intervals import RESAMPLES, cluster_means, sign_flip_p
from evaluation.summary import Column, scores
from evaluation.table import Record

Cell: TypeAlias = tuple[str, str]
"""A level of the first factor and a level of the second."""


@dataclass(frozen=True)
class Effect:
    """A contrast between cells of a two-factor design, with its 95 % interval."""

    name: str
    mean: float
    low: float
    high: float
    p: float
    """Sign-flip test over prompts; not corrected for the number of effects, and blind to how training varies."""
    prompts: int


def contrasts(cells: Sequence[Cell], factors: tuple[str, str]) -> dict[str, Float[np.ndarray, " cell"]]:
    """Weights of the cells in every main effect and interaction, by name.

    A main effect is a level minus an earlier one, averaged over the levels of the other factor. An interaction is the
    effect of one factor, against its reference, at a level of the other, minus the same at the other's reference.

    Raises:
        ValueError: a cell of the design is missing or there twice, or a factor has a single level.
    """
    first, second = (list(dict.fromkeys(cell[factor] for cell in cells)) for factor in (0, 1))
    _check(cells, (first, second), factors)
    table = np.eye(len(cells)).reshape(len(cells), -1)
    at = {cell: table[index] for index, cell in enumerate(cells)}
    found = {}
    for before, a in combinations(first, 2):
        found[f"{factors[0]}: {a} - {before}"] = np.mean([at[a, b] - at[before, b] for b in second], 0)
    for before, b in combinations(second, 2):
        found[f"{factors[1]}: {b} - {before}"] = np.mean([at[a, b] - at[a, before] for a in first], 0)
    for a in first[1:]:
        for b in second[1:]:
            name = f"{factors[0]} x {factors[1]}: {a} - {first[0]} at {b} - at {second[0]}"
            found[name] = at[a, b] - at[first[0], b] - at[a, second[0]] + at[first[0], second[0]]
    return found


def _check(cells: Sequence[Cell], levels: tuple[Sequence[str], Sequence[str]], factors: tuple[str, str]) -> None:
    for factor, known in zip(factors, levels, strict=True):
        if len(known) < 2:
            raise ValueError(f"factor {factor!r} has the levels {list(known)}; a factor needs two or more")
    missing = [(a, b) for a in levels[0] for b in levels[1] if (a, b) not in cells]
    if missing or len(set(cells)) < len(cells):
        wrong = f"lacks {missing[0]}" if missing else "has a cell twice"
        raise ValueError(f"the design {factors[0]} x {factors[1]} {wrong}; allowed: every pair of levels once")


def effects(
    table: Float[np.ndarray, "video cell"],
    cells: Sequence[Cell],
    keys: Sequence[Key],
    *,
    factors: tuple[str, str] = ("first", "second"),
    method: Method = "t",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Effect]:
    """Main effects, then interactions, from scores of the same videos (prompt, seed, training seed) in every cell.

    Args:
        table: one score a video and cell; a video that a cell of a contrast lacks (NaN) is left out of the contrast.
        cells: the two levels of every column.
        keys: what every row was made from.
        factors: what the factors are called.
        method: of the intervals, as in `crossed.bootstrap_of`.
        resamples: how many, for intervals and for p-values.
        seed: of the draws.

    Raises:
        ValueError: the design is not complete, or keys are not one a row and different.
    """
    if table.shape[1] != len(cells):
        raise ValueError(f"{len(cells)} cells for {table.shape[1]} columns; there must be one a column")
    named = contrasts(cells, factors)
    differences = np.stack([_contrast(table, weights) for weights in named.values()], 1)
    interval = bootstrap_of(means, differences, keys, method=method, resamples=resamples, seed=seed)
    of_prompt = cluster_means(differences, [key.prompt for key in keys])
    return [
        Effect(
            name=name,
            mean=float(interval.mean[i]),
            low=float(interval.low[i]),
            high=float(interval.high[i]),
            p=sign_flip_p(of_prompt[:, i], resamples=resamples, seed=seed),
            prompts=int((~np.isnan(of_prompt[:, i])).sum()),
        )
        for i, name in enumerate(named)
    ]


def _contrast(
    table: Float[np.ndarray, "video cell"], weights: Float[np.ndarray, " cell"]
) -> Float[np.ndarray, " video"]:
    used = weights != 0
    return np.asarray(table[:, used] @ weights[used])


def design(
    records: Sequence[Record],
    factors: tuple[str, str],
    column: Column,
    measures: Mapping[str, Measure] | None = None,
) -> tuple[Float[np.ndarray, "video cell"], list[Cell], list[Key]]:
    """The table, cells and keys that `effects` takes; levels are what the videos' metadata say, `sink` and `loss` say.

    Kinds of drift that depend on which scores are better need the `measures`.

    Raises:
        ValueError: a video's metadata lack a factor, or two videos have the same levels and key.
    """
    made = [r for r in records if not r.baseline]
    for factor in factors:
        without = next((r for r in made if factor not in r.metadata), None)
        if without is not None:
            raise ValueError(f"{without.video}: metadata have no {factor!r}; they have {', '.join(without.metadata)}")
    cell_of = [(str(r.metadata[factors[0]]), str(r.metadata[factors[1]])) for r in made]
    key = [key_of(r) for r in made]
    if len(set(zip(cell_of, key, strict=True))) < len(made):
        raise ValueError(f"videos share {factors[0]}, {factors[1]} and key; prompt and seeds must tell them apart")
    rows = {name: row for row, name in enumerate(dict.fromkeys(key))}
    columns = {name: place for place, name in enumerate(dict.fromkeys(cell_of))}
    table = np.full((len(rows), len(columns)), np.nan)
    table[[rows[k] for k in key], [columns[c] for c in cell_of]] = scores(made, [column], measures)[:, 0]
    return table, list(columns), list(rows)
