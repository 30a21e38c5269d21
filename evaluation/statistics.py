"""Intervals and tests whose unit is the prompt. Videos of one prompt are a cluster: they are drawn together.

Scores are [video, column] with NaN where there is none; every column is resampled with the same draws, so that
differences between columns keep their pairing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float, Int

Scores: TypeAlias = Float[np.ndarray, "video column"]
Columns: TypeAlias = Float[np.ndarray, " column"]
Replicates: TypeAlias = Float[np.ndarray, "resample column"]

RESAMPLES: Final = 10_000
EXACT_PROMPTS: Final = 13
"""Up to so many prompts all sign flips are counted (2^13 = 8192), beyond they are drawn."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, for every column."""

    mean: Columns
    low: Columns
    high: Columns


def by_cluster(scores: Scores, clusters: Sequence[str]) -> tuple[Float[np.ndarray, "cluster column"], ...]:
    """Sum and number of known scores in every cluster, clusters in alphabetical order."""
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    member = (index[None] == np.arange(index.max() + 1)[:, None]).astype(float)
    return member @ np.nan_to_num(scores), member @ (~np.isnan(scores)).astype(float)


def cluster_means(scores: Scores, clusters: Sequence[str]) -> Float[np.ndarray, "cluster column"]:
    """Mean of the known scores of every cluster; NaN where there is none."""
    return _ratio(*by_cluster(scores, clusters))


@lru_cache(maxsize=4)
def draws(clusters: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Int[np.ndarray, "resample cluster"]:
    """How often every cluster is drawn in every resample; depends on nothing but the arguments. Read only."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    drawn.setflags(write=False)
    return drawn


def bootstrap(scores: Scores, clusters: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Replicates:
    """The mean score in every resample of the clusters, drawn with replacement."""
    sums, counts = by_cluster(scores, clusters)
    drawn = draws(len(sums), resamples=resamples, seed=seed).astype(float)
    return _ratio(drawn @ sums, drawn @ counts)


def mean_interval(scores: Scores, clusters: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean over videos and its percentile bootstrap interval over clusters; a single cluster has no interval."""
    sums, counts = by_cluster(scores, clusters)
    low, high = percentiles(bootstrap(scores, clusters, resamples=resamples, seed=seed))
    several = (counts > 0).sum(0) > 1
    mean = _ratio(sums.sum(0), counts.sum(0))
    return Interval(mean, np.where(several, low, np.nan), np.where(several, high, np.nan))


def percentiles(replicates: Replicates, level: float = 0.95) -> tuple[Columns, Columns]:
    """The ends of the central interval that holds `level` of the replicates, leaving out NaN."""
    known = ~np.isnan(replicates).all(0)
    ends = np.full((2, replicates.shape[1]), np.nan)
    if known.any():
        tail = 50 * (1 - level)
        ends[:, known] = np.nanpercentile(replicates[:, known], [tail, 100 - tail], axis=0)
    return ends[0], ends[1]


def share_won(better: Float[np.ndarray, "cluster column"]) -> Columns:
    """Share of clusters in which `better` is above 0; a tie is half a win. NaN where nothing was compared."""
    known = ~np.isnan(better)
    points = np.where(known, (better > 0) + 0.5 * (better == 0), 0.0).sum(0)
    return _ratio(points, known.sum(0).astype(float))


def sign_flip_p(differences: Float[np.ndarray, " cluster"], *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of "no difference": how often a mean as far from 0 comes out if every sign were a coin toss.

    For few clusters all flips are counted, otherwise they are drawn, with the observed one. NaN without a difference.
    """
    known = differences[~np.isnan(differences)]
    if not len(known):
        return float("nan")
    signs = _all_signs(len(known)) if len(known) <= EXACT_PROMPTS else _some_signs(len(known), resamples, seed)
    flipped = np.abs(signs @ known)
    return float(np.mean(flipped >= np.abs(known.sum()) * (1 - 1e-9)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having looked at all of them (Holm); NaN stays NaN and is not counted."""
    order = sorted((i for i, p in enumerate(p_values) if not np.isnan(p)), key=lambda i: p_values[i])
    adjusted, highest = list(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _all_signs(count: int) -> Float[np.ndarray, "flip cluster"]:
    bits = np.arange(2**count)[:, None] >> np.arange(count)
    return 1.0 - 2.0 * (bits & 1)


@lru_cache(maxsize=4)
def _some_signs(count: int, resamples: int, seed: int) -> Float[np.ndarray, "flip cluster"]:
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, size=(resamples, count)) - 1.0
    whole = np.concatenate([np.ones((1, count)), signs])
    whole.setflags(write=False)
    return whole


def _ratio(total: Float[np.ndarray, "*any"], count: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Total / count, NaN (without a warning) where count is 0."""
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)
