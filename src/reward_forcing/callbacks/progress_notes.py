"""How far a run is, in a file for whoever looks after it: a sweep's display, and the run's own continuation."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

INTERVAL = 1.0
"""Seconds between two notes."""


class ProgressNotes(Callback):
    """Writes `step`, `steps`, `seconds` spent and `left` (estimated) to a JSON file, at most once a second.

    A continued run adds to the seconds it has spent before, those of steps that were lost included.

    Args:
        path: the file.
        about: what else it says, for instance the hash of the config.
        before: the note that the run left when it was stopped, if any.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        self.path, self.about = path, dict(about)
        self.started = str(before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"))
        self._before = float(before.get("seconds", 0.0))
        self._since = self._written = time.perf_counter()
        self._first = 0

    @property
    def seconds(self) -> float:
        """Spent so far, before a continuation included."""
        return round(self._before + time.perf_counter() - self._since, 3)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the run begins."""
        self._since, self._first = time.perf_counter(), trainer.global_step
        self.write(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Say how far it is, when the last note is old."""
        if time.perf_counter() - self._written >= INTERVAL:
            self.write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where it ended."""
        self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write the note; a reader sees the old one or the new one."""
        self._written = time.perf_counter()
        if not trainer.is_global_zero:
            return
        step, steps = trainer.global_step, int(trainer.max_steps)
        pace = (self._written - self._since) / max(step - self._first, 1)
        left = round(pace * (steps - step), 1) if step > self._first else None
        note = {**self.about, "started": self.started, "step": step, "steps": steps, "seconds": self.seconds}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".partial")
        aside.write_text(json.dumps({**note, "left": left}, indent=2), encoding="utf-8")
        aside.replace(self.path)
