"""Intervals and tests whose unit is the prompt. Videos of one prompt are a cluster: they are drawn together.

Scores are [video, column] with NaN where there is none; every column is resampled with the same draws, so that
differences between columns keep their pairing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

Scores: TypeAlias = Float[np.ndarray, "video column"]
Columns: TypeAlias = Float[np.ndarray, " column"]
Replicates: TypeAlias = Float[np.ndarray, "resample column"]

RESAMPLES: Final = 10_000
EXACT_PROMPTS: Final = 13
"""Up to so many prompts all sign flips are counted (2^13 = 8192), beyond they are drawn."""

ANGLES: Final = 20_001
"""Points at which Student's distribution is integrated: quantiles are right to 6 digits."""


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
    return ratio(*by_cluster(scores, clusters))


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
    return ratio(drawn @ sums, drawn @ counts)


def mean_interval(scores: Scores, clusters: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean over videos and its percentile bootstrap interval over clusters; a single cluster has no interval."""
    sums, counts = by_cluster(scores, clusters)
    low, high = percentiles(bootstrap(scores, clusters, resamples=resamples, seed=seed))
    several = (counts > 0).sum(0) > 1
    mean = ratio(sums.sum(0), counts.sum(0))
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
    return ratio(points, known.sum(0).astype(float))


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


def mcnemar_p(differences: Float[np.ndarray, " cluster"]) -> float:
    """Two-sided exact p-value of "no difference" between two shares, from the clusters in which they differ.

    `differences` of flags, averaged over a cluster; only their signs count. With one video a cluster this is McNemar's
    exact test, with several the sign test on clusters. NaN without a difference known, 1 if all are 0.
    """
    known = differences[~np.isnan(differences)]
    if not len(known):
        return float("nan")
    more, fewer = int((known > 0).sum()), int((known < 0).sum())
    tail = sum(math.comb(more + fewer, count) for count in range(min(more, fewer) + 1))
    return min(1.0, float(2 * tail / 2 ** (more + fewer)))


def largest_difference(low: float, high: float) -> float:
    """The x in "no difference larger than x", from the ends of an interval of the difference."""
    return max(abs(low), abs(high))


def equivalence(low: float, high: float, margin: float) -> Literal["equivalent", "different", "undecided"]:
    """Whether an interval of a difference lies within -margin..margin, beyond it, or neither; NaN is undecided.

    Raises:
        ValueError: the margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin}; it must be above 0: the smallest difference that matters")
    if largest_difference(low, high) < margin:
        return "equivalent"
    return "different" if low > margin or high < -margin else "undecided"


@lru_cache(maxsize=64)
def t_quantile(freedom: float, level: float = 0.95) -> float:
    """How many standard errors a central interval reaches to either side (Student), for 1 or more degrees of freedom.

    With t = sqrt(f) tan(x) the density is cos(x)^(f - 1), x within a quarter turn; f need not be whole.

    Raises:
        ValueError: less than one degree of freedom, or a level outside (0, 1).
    """
    if not freedom >= 1 or not 0 < level < 1:
        raise ValueError(f"freedom is {freedom}, level {level}; allowed: 1 or more, and within (0, 1)")
    angles = np.linspace(0, math.pi / 2, ANGLES)
    density = np.cos(angles) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(freedom) * math.tan(float(np.interp(level * below[-1], below, angles)))


def _all_signs(count: int) -> Float[np.ndarray, "flip cluster"]:
    bits = np.arange(2**count)[:, None] >> np.arange(count)
    return 1.0 - 2.0 * (bits & 1)


@lru_cache(maxsize=4)
def _some_signs(count: int, resamples: int, seed: int) -> Float[np.ndarray, "flip cluster"]:
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, size=(resamples, count)) - 1.0
    whole = np.concatenate([np.ones((1, count)), signs])
    whole.setflags(write=False)
    return whole


def ratio(total: Float[np.ndarray, "*any"], count: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Total / count, NaN (without a warning) where count is 0."""
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)
