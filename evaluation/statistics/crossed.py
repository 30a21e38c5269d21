"""Intervals over prompts and training seeds, of means or of anything computed from means.

Training seeds are crossed with prompts: every trained model makes a video of every prompt. So both are drawn with
replacement, independently of each other, and a video counts as often as its prompt times its training seed
(Owen, "The pigeonhole bootstrap", 2007). Sampling seeds are nested in prompts: they are drawn with their prompt.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from evaluation.statistics.intervals import (
    RESAMPLES,
    Columns,
    Interval,
    Replicates,
    Scores,
    draws,
    percentiles,
    ratio,
    t_quantile,
)
from evaluation.table import Record

Aggregate: TypeAlias = Callable[[Replicates], Replicates]
"""From mean scores [resample, column] to what is reported [resample, result], row by row; a total, for instance."""

Method: TypeAlias = Literal["t", "percentile"]

TRAINING: Final = 1
"""Stream of the draws of training seeds, so that they do not follow those of prompts."""


class Key(NamedTuple):
    """What a video was made from. Videos of two cells are compared where all of it agrees."""

    prompt: str
    seed: int
    training_seed: str = ""


def key_of(record: Record) -> Key:
    """The key of a scored video; `training_seed` is a word of its metadata."""
    return Key(record.prompt, record.seed, str(record.metadata.get("training_seed", "")))


def means(replicates: Replicates) -> Replicates:
    """The aggregate that reports every column as it is."""
    return replicates


@dataclass(frozen=True)
class Crossed:
    """Sums and numbers of known scores of every training seed and prompt, both in alphabetical order."""

    sums: Float[np.ndarray, "training_seed prompt column"]
    counts: Float[np.ndarray, "training_seed prompt column"]

    def mean(
        self, prompts: Float[np.ndarray, "drawn prompt"], trained: Float[np.ndarray, "redrawn training_seed"]
    ) -> Replicates:
        """Mean scores when prompts and training seeds count so often; one row of either goes with all of the other."""
        total, known = (
            np.sum([weight[:, None] * (prompts @ part) for weight, part in zip(trained.T, parts, strict=True)], axis=0)
            for parts in (self.sums, self.counts)
        )
        return ratio(total, known)

    def levels(self) -> tuple[int, int]:
        """How many prompts and training seeds are behind the poorest column; columns without a score do not count."""
        known = self.counts[:, :, (self.counts > 0).any((0, 1))] > 0
        prompts, trained = (known.any(axis).sum(0) for axis in (0, 1))
        return int(prompts.min(initial=known.shape[1])), int(trained.min(initial=known.shape[0]))


def cross(table: Scores, keys: Sequence[Key]) -> Crossed:
    """Arrange scores by training seed and prompt.

    Raises:
        ValueError: not one key a row, or a key twice.
    """
    _check(table, keys)
    names, prompt = np.unique([key.prompt for key in keys], return_inverse=True)
    seeds, trained = np.unique([key.training_seed for key in keys], return_inverse=True)
    sums, counts = np.zeros((2, len(seeds), len(names), table.shape[1]))
    np.add.at(sums, (trained, prompt), np.nan_to_num(table))
    np.add.at(counts, (trained, prompt), ~np.isnan(table))
    return Crossed(sums, counts)


def _check(table: Scores, keys: Sequence[Key]) -> None:
    if len(table) != len(keys):
        raise ValueError(f"{len(keys)} keys for {len(table)} rows of scores; there must be one a row")
    if not len(table):
        raise ValueError("there are no videos to draw from; allowed: one or more")
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} stands for several videos; prompt, seed and training seed must tell them apart")


def bootstrap_of(
    aggregate: Aggregate,
    table: Scores,
    keys: Sequence[Key],
    *,
    method: Method = "t",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Anything computed from mean scores, with its 95 % interval over prompts, and training seeds if there are several.

    Args:
        aggregate: what is computed, for every row of mean scores; `means` for the scores themselves.
        table: scores, NaN where there is none.
        keys: what every row was made from.
        method: "percentile" takes the middle of the resampled results. "t" takes their standard errors, of prompts and
            of training seeds, corrected for having few of either, and Student's quantile with degrees of freedom after
            Satterthwaite: percentile intervals of 8 prompts or 3 training seeds are too narrow, these hardly are.
        resamples: how many.
        seed: of the draws.

    Returns:
        One estimate a result. A single prompt gives no interval.

    Raises:
        ValueError: not one key a row, or a key twice.
    """
    crossed = cross(table, keys)
    every = np.ones((1, crossed.sums.shape[1])), np.ones((1, crossed.sums.shape[0]))
    drawn = (
        draws(every[0].shape[1], resamples=resamples, seed=seed).astype(float),
        _draw_trained(every[1].shape[1], resamples, seed).astype(float),
    )
    mean = aggregate(crossed.mean(*every))[0]
    if crossed.levels()[0] < 2:
        return Interval(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    if method == "percentile":
        return Interval(mean, *percentiles(aggregate(crossed.mean(*drawn))))
    apart = crossed.mean(drawn[0], every[1]), crossed.mean(every[0], drawn[1])
    half = _half_width([_variance(aggregate(part)) for part in apart], crossed.levels())
    return Interval(mean, mean - half, mean + half)


def column_by_column(table: Scores, keys: Sequence[Key], interval: Callable[[list[int]], Interval]) -> Interval:
    """Intervals of columns that are known for different prompts: those known for as many are taken together.

    A column that few prompts have a score in must not widen the intervals of the others.

    Args:
        table: the scores.
        keys: what every row was made from.
        interval: of the columns of these indices.
    """
    known = cross(table, keys).counts > 0
    behind = [tuple(int(known[:, :, i].any(axis).sum()) for axis in (0, 1)) for i in range(table.shape[1])]
    ends = np.full((3, table.shape[1]), np.nan)
    for levels in dict.fromkeys(behind):
        columns = [i for i, found in enumerate(behind) if found == levels]
        if levels[0]:
            part = interval(columns)
            ends[:, columns] = part.mean, part.low, part.high
    return Interval(*ends)


@lru_cache(maxsize=4)
def _draw_trained(count: int, resamples: int, seed: int) -> Int[np.ndarray, "resample training_seed"]:
    return np.random.default_rng((seed, TRAINING)).multinomial(count, np.full(count, 1 / count), size=resamples)


def _variance(replicates: Replicates) -> Columns:
    """Over resamples, leaving out NaN."""
    known = ~np.isnan(replicates)
    count = known.sum(0).astype(float)
    spread = np.where(known, replicates - ratio(np.where(known, replicates, 0.0).sum(0), count), 0.0)
    return ratio((spread**2).sum(0), count)


def _half_width(variances: Sequence[Columns], levels: Sequence[int]) -> Columns:
    """Half the interval of a sum of independent parts, of which the bootstrap saw (n - 1) / n over n levels each."""
    parts = [
        (variance * count / (count - 1), count - 1)
        for variance, count in zip(variances, levels, strict=True)
        if count > 1
    ]
    whole = np.sum([variance for variance, _ in parts], axis=0)
    freedom = ratio(whole**2, np.sum([variance**2 / free for variance, free in parts], axis=0))
    quantiles = [t_quantile(round(float(free), 2)) if free >= 1 else 0.0 for free in np.atleast_1d(freedom)]
    return np.where(np.isnan(whole), np.nan, np.array(quantiles) * np.sqrt(whole))


def difference_of(
    aggregate: Aggregate,
    ours: Scores,
    our_keys: Sequence[Key],
    theirs: Scores,
    their_keys: Sequence[Key],
    *,
    method: Method = "t",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The aggregate of one cell minus that of another, on the videos (training seed, prompt, seed) they share.

    A score that one of two paired videos lacks is left out of both. Otherwise as `bootstrap_of`.

    Raises:
        ValueError: the cells share no video, not one key a row, or a key twice.
    """
    table, keys = paired(ours, our_keys, theirs, their_keys)
    width = ours.shape[1]

    def difference(replicates: Replicates) -> Replicates:
        return aggregate(replicates[:, :width]) - aggregate(replicates[:, width:])

    return bootstrap_of(difference, table, keys, method=method, resamples=resamples, seed=seed)


def paired(
    ours: Scores, our_keys: Sequence[Key], theirs: Scores, their_keys: Sequence[Key]
) -> tuple[Float[np.ndarray, "pair both"], list[Key]]:
    """Scores of both cells side by side, known on both sides or on neither, and the keys they share.

    Raises:
        ValueError: the cells share no video, not one key a row, or a key twice.
    """
    _check(ours, our_keys)
    _check(theirs, their_keys)
    row = {key: index for index, key in enumerate(their_keys)}
    shared = [(index, row[key]) for index, key in enumerate(our_keys) if key in row]
    if not shared:
        raise ValueError(f"two cells share no video: one has {our_keys[0]}, ..., the other {their_keys[0]}, ...")
    mine, others = ours[[i for i, _ in shared]], theirs[[j for _, j in shared]]
    unknown = np.isnan(mine) | np.isnan(others)
    table = np.concatenate([np.where(unknown, np.nan, part) for part in (mine, others)], 1)
    return table, [our_keys[i] for i, _ in shared]
