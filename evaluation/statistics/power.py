"""How many prompts a comparison needs, and what so many prompts can show.

Of two cells compared on the same (prompt, seed), what counts is how their differences vary: with standard deviation s
a video and correlation r between the seeds of a prompt, the mean difference of a prompt with m seeds varies by
s sqrt((1 + (m - 1) r) / m), and a two-sided test at alpha over n prompts finds a difference d with the power wanted if
n = ((z(1 - alpha / 2) + z(power)) s_prompt / d)^2 + z(1 - alpha / 2)^2 / 2; the last term is what it costs that s is
estimated, too (Guenther, "Sample size formulas for normal theory t tests", 1981). Exact tests of flags cannot use all
of alpha, because few differences are possible: that costs one video's flag, 1 / (n m) of the difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from jaxtyping import Float

from evaluation.statistics.intervals import by_cluster

NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Noise:
    """How differences between two cells vary.

    Args:
        sd: standard deviation of one video's difference.
        correlation: between the differences of two seeds of a prompt; 1 means that further seeds say nothing new.
        flags: whether scores are 0 or 1, so that a test loses some power to steps.
    """

    sd: float
    correlation: float = 1.0
    flags: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where there is no such noise."""
        if not 0 < self.sd < math.inf:
            raise ValueError(f"sd is {self.sd:.4g}; it must be above 0: differences that do not vary need no test")
        if not 0 <= self.correlation <= 1:
            raise ValueError(f"correlation of seeds is {self.correlation:.4g}; it must be within [0, 1]")

    def of_prompt(self, seeds: int) -> float:
        """Standard deviation of the mean difference of a prompt with so many seeds."""
        return self.sd * math.sqrt((1 + (seeds - 1) * self.correlation) / seeds)

    def lost(self, prompts: int, seeds: int) -> float:
        """What of a difference an exact test cannot see."""
        return self.flags / (prompts * seeds)


@dataclass(frozen=True)
class Demand:
    """What a comparison must be able to do: find a difference with some power, in a two-sided test at alpha."""

    power: float = 0.8
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Raise ValueError for what no test can do."""
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}; it must be within (0, 1), usually 0.05")
        if not self.alpha < self.power < 1:
            raise ValueError(f"power is {self.power}; it must be within (alpha, 1), usually 0.8")

    @property
    def fewest(self) -> int:
        """With fewer prompts no sign-flip p-value reaches alpha: that of n prompts is 2 / 2^n or more."""
        return math.ceil(math.log2(2 / self.alpha))

    @property
    def quantiles(self) -> tuple[float, float]:
        """Of alpha, and of alpha and power together."""
        two_sided = NORMAL.inv_cdf(1 - self.alpha / 2)
        return two_sided, two_sided + NORMAL.inv_cdf(self.power)


USUAL: Final = Demand()


def prompts_needed(noise: Noise, delta: float, *, seeds: int = 1, demand: Demand = USUAL) -> int:
    """The number of prompts with which a difference `delta` is found.

    Raises:
        ValueError: delta is 0 or no number, or there are no seeds.
    """
    if not 0 < abs(delta) < math.inf:
        raise ValueError(f"delta is {delta}; it must not be 0: the smallest difference that matters")
    too_few, enough = demand.fewest - 1, demand.fewest
    while smallest_difference(noise, enough, seeds=seeds, demand=demand) > abs(delta):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        found = smallest_difference(noise, middle, seeds=seeds, demand=demand) <= abs(delta)
        too_few, enough = (too_few, middle) if found else (middle, enough)
    return enough


def smallest_difference(noise: Noise, prompts: int, *, seeds: int = 1, demand: Demand = USUAL) -> float:
    """The smallest difference that so many prompts find with the power demanded.

    Raises:
        ValueError: so few prompts show nothing, or there are no seeds.
    """
    _check(prompts, seeds, demand)
    two_sided, both = demand.quantiles
    return both * noise.of_prompt(seeds) / math.sqrt(prompts - two_sided**2 / 2) + noise.lost(prompts, seeds)


def power_of(noise: Noise, delta: float, prompts: int, *, seeds: int = 1, demand: Demand = USUAL) -> float:
    """How likely so many prompts find a difference `delta`, in its direction, at the alpha demanded.

    Raises:
        ValueError: so few prompts show nothing, or there are no seeds.
    """
    _check(prompts, seeds, demand)
    two_sided, _ = demand.quantiles
    seen = abs(delta) - noise.lost(prompts, seeds)
    return NORMAL.cdf(seen * math.sqrt(prompts - two_sided**2 / 2) / noise.of_prompt(seeds) - two_sided)


def _check(prompts: int, seeds: int, demand: Demand) -> None:
    if prompts < demand.fewest:
        raise ValueError(f"prompts are {prompts}; at alpha {demand.alpha:g} allowed: {demand.fewest} or more")
    if seeds < 1:
        raise ValueError(f"seeds are {seeds}; allowed: 1 or more")


def noise_of_pairs(differences: Float[np.ndarray, " video"], prompts: Sequence[str], *, flags: bool = False) -> Noise:
    """The noise of a pilot's paired differences, by analysis of variance; NaN is left out.

    With one seed a prompt nothing says how seeds correlate; then it is 1, and more seeds do not help.

    Raises:
        ValueError: fewer than two prompts with a difference, or differences that do not vary.
    """
    known = ~np.isnan(differences)
    of_prompt = [prompt for prompt, has in zip(prompts, known, strict=True) if has]
    if len(set(of_prompt)) < 2:
        raise ValueError(f"the pilot has differences on {len(set(of_prompt))} prompts; allowed: 2 or more")
    sums, counts = (part[:, 0] for part in by_cluster(differences[known, None], of_prompt))
    videos, spare = float(counts.sum()), len(counts) - 1
    grand = float(sums.sum()) / videos
    between = float((counts * (sums / counts - grand) ** 2).sum()) / spare
    if videos == len(counts):
        return Noise(math.sqrt(between), flags=flags)
    within = max(0.0, float(((differences[known] - grand) ** 2).sum()) - between * spare) / (videos - len(counts))
    shared = max(0.0, (between - within) / ((videos - float((counts**2).sum()) / videos) / spare))
    return Noise(math.sqrt(shared + within), shared / (shared + within) if shared else 0.0, flags)


def noise_of_scores(sd: float, correlation: float = 0.0, *, of_seeds: float = 1.0) -> Noise:
    """The noise of differences between scores that vary by `sd` and correlate between paired videos.

    Raises:
        ValueError: sd is not above 0, or a correlation is not one.
    """
    if not -1 <= correlation < 1:
        raise ValueError(f"correlation is {correlation}; it must be within [-1, 1): that of paired videos' scores")
    return Noise(sd * math.sqrt(2 * (1 - correlation)), of_seeds)


def noise_of_flags(share: float, delta: float, correlation: float = 0.0, *, of_seeds: float = 1.0) -> Noise:
    """The noise of differences between flags that hold in `share` of a cell's videos and `share + delta` of another's.

    Raises:
        ValueError: a share is outside [0, 1], the flags cannot correlate so, or their differences do not vary.
    """
    other = share + delta
    if not (0 <= share <= 1 and 0 <= other <= 1):
        raise ValueError(f"proportion is {share}, with delta {other:.4g}; both must be within [0, 1]")
    spreads = share * (1 - share), other * (1 - other)
    together = correlation * math.sqrt(spreads[0] * spreads[1])
    least, most = max(0.0, share + other - 1) - share * other, min(share, other) - share * other
    if not least - 1e-9 <= together <= most + 1e-9:
        scale = math.sqrt(spreads[0] * spreads[1])
        allowed = f"[{least / scale:.3g}, {most / scale:.3g}]" if scale else "0: one of them never varies"
        raise ValueError(f"correlation is {correlation}; of flags with shares {share} and {other:.4g} it is {allowed}")
    return Noise(math.sqrt(max(0.0, sum(spreads) - 2 * together)), of_seeds, flags=True)
