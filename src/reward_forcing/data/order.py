"""Which items a training step sees: a pure function of (seed, step, rank, number of ranks), so nothing has to be saved.

Training walks along one endless row: the items in a random order, then all of them in another, and so on. Step s
takes places s B to (s + 1) B - 1 of it (B: the batch of all ranks together), cut into equal parts for the ranks. So
nothing is padded or dropped, a batch may end one round and begin the next, and the global batch is the same for any
number of ranks. Every item may stand several times in a row, as a group that differs in what else is random.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from reward_forcing.seeding import Key, generator


@dataclass(frozen=True)
class Pick:
    """One place of the row: the item that stands there, and a key for whatever else is random about it."""

    item: int
    key: Key


@dataclass(frozen=True, kw_only=True)
class Order:
    """The row of one rank.

    Args:
        items: how many there are.
        batch_size: items of a training step, on all ranks together.
        seed: of the shuffling.
        rank: which part of each batch.
        ranks: parts of a batch.
        repeats: how often each item stands in a row.

    Raises:
        ValueError: a number is out of range, the batch cannot be divided among the ranks, or holds no whole groups.
    """

    items: int
    batch_size: int
    seed: int
    rank: int = 0
    ranks: int = 1
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError("data: there are no items to train on")
        if self.batch_size < 1 or self.batch_size % self.ranks:
            raise ValueError(
                f"data.batch_size is {self.batch_size}; "
                f"it must be a positive multiple of the number of ranks ({self.ranks})"
            )
        if self.repeats < 1 or self.batch_size % self.repeats:
            raise ValueError(f"data.repeats is {self.repeats}; it must divide data.batch_size ({self.batch_size})")
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"data: rank is {self.rank}; it must be within 0 to {self.ranks - 1}")

    def picks(self, step: int) -> list[Pick]:
        """What this rank sees at training step `step`, counted from 0."""
        share = self.batch_size // self.ranks
        first = step * self.batch_size + self.rank * share
        return [self._at(place) for place in range(first, first + share)]

    def _at(self, place: int) -> Pick:
        lap, position = divmod(place // self.repeats, self.items)
        return Pick(shuffled(self.items, self.seed, lap)[position], (self.seed, "pick", place))


@lru_cache(maxsize=2)
def shuffled(items: int, seed: int, lap: int) -> tuple[int, ...]:
    """The order of the items in round `lap`."""
    return tuple(torch.randperm(items, generator=generator(seed, "order", lap)).tolist())
