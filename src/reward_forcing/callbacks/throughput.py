"""How fast a training goes and how much memory it takes."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import resource
import sys
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Logs seconds a step, samples a second and peak memory in GiB, over windows of steps.

    Args:
        every: steps in a window.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, *, every: int = 50) -> None:
        if every < 1:
            raise ValueError(f"callbacks.throughput.every is {every}; it must be at least 1")
        self.every = every
        self._since, self._samples, self._steps = 0.0, 0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the first window."""
        self._since, self._samples, self._steps = time.perf_counter(), 0, 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the step; log and restart at the end of a window."""
        self._samples += len(next(iter(batch.values()))) * trainer.world_size
        self._steps += 1
        if self._steps < self.every:
            return
        seconds = time.perf_counter() - self._since
        scalars = {
            "speed/seconds_per_step": seconds / self._steps,
            "speed/samples_per_second": self._samples / seconds,
            "memory/peak_gib": peak_memory_gib(pl_module.device),
        }
        for logger in trainer.loggers:
            logger.log_metrics(scalars, trainer.global_step)
        self._since, self._samples, self._steps = time.perf_counter(), 0, 0


def peak_memory_gib(device: torch.device) -> float:
    """Most memory held so far: of the process on a CPU, of the allocator on a GPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
