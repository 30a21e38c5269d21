"""What the guard against NaN and infinity costs, beside a step of the toy distillation."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import statistics
import time
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from benchmarks.common import seconds
from reward_forcing.callbacks.guards import Guards
from reward_forcing.composition import configuration
from reward_forcing.modules.faults import faults

LIMIT = 0.01
"""Largest share of a step."""

STEPS = 12
CALLS = 1000


class Clock(Callback):
    """Seconds of every step, and what the last one reported."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.started = 0.0
        self.reported: dict[str, Any] = {}

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.started)
        self.reported = dict(outputs)


def guards() -> dict[str, float]:
    """Seconds of the quickest kind of step (the fake score's) and of its guard, and the guard's share."""
    config, clock = configuration.compose(["logger=none", "run_dir=unused"]), Clock()
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            max_steps=STEPS,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            callbacks=[clock],
        )
        trainer.fit(configuration.build(config, "module"), datamodule=configuration.build(config, "data"))
        step = statistics.median(clock.seconds[1:])
        scalars = {name.partition("/")[2]: value for name, value in clock.reported.items()}
        callback = Guards(folder=folder, largest_skips=5)

        def guarded() -> None:
            for _ in range(CALLS):
                faults(scalars)
                callback.on_train_batch_end(trainer, trainer.lightning_module, clock.reported, {}, 0)

        guard = seconds(guarded, torch.device("cpu")) / CALLS
    return {"step_seconds": step, "guard_seconds": guard, "share": guard / step, "limit_share": LIMIT}
