"""The LightningDataModule: batches in an order that needs no memory, from the step that training has reached."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from reward_forcing.data.contents import Batch, Content
from reward_forcing.data.order import Order


@dataclass(frozen=True)
class Steps(IterableDataset[Batch]):
    """The batches of steps `first`, `first + 1`, ... without end; the same sequence for any number of loader workers.

    Iterable on purpose: Lightning would wrap the sampler of a map-style dataset when there are several ranks.
    """

    content: Content
    order: Order
    first: int

    def __iter__(self) -> Iterator[Batch]:
        """Worker w of n makes every n-th batch; the loader takes from the workers in turn."""
        worker = get_worker_info()
        step, stride = (self.first, 1) if worker is None else (self.first + worker.id, worker.num_workers)
        while True:
            yield self.content.batch(self.order.picks(step))
            step += stride


class TrainingData(LightningDataModule):
    """Batches of some content; the batch of a step depends on (seed, step, rank, number of ranks) alone.

    A loader starts at the trainer's completed step, so a resumed training sees exactly what an uninterrupted one sees.
    One training step must be one optimiser step.

    Args:
        content: what to train on.
        batch_size: items of a training step, on all ranks together.
        seed: of the order.
        workers: loader processes; 0 loads in the training process.
        repeats: how often each item stands in a row, for losses that compare samples of one prompt.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, *, content: Content, batch_size: int, seed: int, workers: int = 0, repeats: int = 1) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("repeats", repeats, 1)):
            if value < least:
                raise ValueError(f"data.{name} is {value}; it must be at least {least}")
        self.content, self.batch_size, self.seed, self.workers = content, batch_size, seed, workers
        self.repeats = repeats

    def prepare_data(self) -> None:
        """Make what is missing on disk; Lightning calls this in one process of a machine."""
        self.content.prepare()

    def batch_at(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The batch of one rank at one step."""
        return self.content.batch(self.order(rank, ranks).picks(step))

    def order(self, rank: int = 0, ranks: int = 1) -> Order:
        """The order in which a rank sees the items."""
        return Order(
            items=len(self.content),
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            ranks=ranks,
            repeats=self.repeats,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches from the step that the trainer has reached."""
        trainer = self.trainer
        first, rank, ranks = (
            (0, 0, 1) if trainer is None else (trainer.global_step, trainer.global_rank, trainer.world_size)
        )
        return DataLoader(
            Steps(self.content, self.order(rank, ranks), first),
            batch_size=None,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )
