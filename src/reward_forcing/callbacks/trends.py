"""Whether numbers that are taken again and again from the same samples rise or fall by more than their noise. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

FEWEST_LOOKS: Final = 3
"""A straight line fits two looks without a rest, so they say nothing of the noise."""

FEWEST_SAMPLES: Final = 2


@dataclass(frozen=True)
class Change:
    """By how much a mean over samples has changed from the first look to the last, and the error of that."""

    amount: float
    error: float

    def risen(self, certainty: float) -> bool:
        """Whether it has risen by more than so many standard errors."""
        return self.amount > certainty * self.error

    def fallen(self, certainty: float) -> bool:
        """Whether it has fallen by more than so many standard errors."""
        return self.times(-1).risen(certainty)

    def times(self, factor: float) -> "Change":
        """Of so many times the numbers."""
        return Change(factor * self.amount, abs(factor) * self.error)

    def __str__(self) -> str:
        return f"{self.amount:+.3g} ± {self.error:.2g}"


def change(values: Float[Tensor, "look sample"]) -> Change:
    """The change that a straight line through equally distant looks tells, and its standard error.

    There are two errors, and the larger counts: that of a mean over samples, whose own changes differ, and that of a
    line through means that wobble about it; training moves all samples together, which only the second sees.
    Samples without a number at some look are left out. Too few looks or samples: no change, an infinite error.
    """
    kept = values[:, values.isfinite().all(0)].double()
    looks, samples = kept.shape
    if looks < FEWEST_LOOKS or samples < FEWEST_SAMPLES:
        return Change(0.0, math.inf)
    time = torch.linspace(-0.5, 0.5, looks, dtype=kept.dtype)
    changes = time @ kept / time.square().sum()
    mean = kept.mean(1)
    rest = mean - mean.mean() - time * changes.mean()
    of_samples = changes.std() / math.sqrt(samples)
    of_looks = (rest.square().sum() / (looks - 2) / time.square().sum()).sqrt()
    return Change(float(changes.mean()), float(torch.maximum(of_samples, of_looks)))


def betrayed(reward: Change, others: Mapping[str, Change], certainty: float) -> list[str]:
    """What has fallen while the reward has risen, both by more than `certainty` standard errors.

    Args:
        reward: of what is optimised; higher is better.
        others: of what is not, by name; higher is better.
        certainty: in standard errors.
    """
    return [name for name, other in others.items() if other.fallen(certainty)] if reward.risen(certainty) else []
