"""Checkpoints every so many steps, after the last one, and when the run is asked to stop."""

import shutil
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Checkpoints(Checkpoint):
    """Writes `step=N.ckpt`; `last.ckpt` points to the newest.

    On Ctrl-C or SIGTERM the step in progress ends, is saved, and training stops; a second signal interrupts at once.

    Args:
        folder: where checkpoints go.
        every: steps between two of them.
        keep: how many of the newest stay; None: all.

    Raises:
        ValueError: a number is not positive.
    """

    def __init__(self, *, folder: str | Path, every: int, keep: int | None = None) -> None:
        for name, value in (("every", every), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"callbacks.checkpoints.{name} is {value}; it must be at least 1")
        self.folder, self.every, self.keep = Path(folder), every, keep
        self.asked = False
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 (Lightning's names)
        """Listen for signals, in place of Lightning, which has just begun to; only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in SIGNALS}

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002 (Lightning's names)
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Save when it is time; stop if any rank was asked to."""
        asked = trainer.strategy.reduce_boolean_decision(self.asked, all=False)
        step = trainer.global_step
        if asked or step >= trainer.max_steps or step % self.every == 0:
            path = self.folder / f"step={step}.ckpt"
            trainer.save_checkpoint(path)
            if trainer.is_global_zero:
                point_to(path, self.folder / "last.ckpt")
                self._forget_old()
        trainer.should_stop = trainer.should_stop or asked

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 (Lightning's names)
        """Give the signals back."""
        self._stop_listening()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Give the signals back."""
        self._stop_listening()

    def _stop_listening(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signal module's names)
        self.asked = True
        signal.signal(number, self._previous[signal.Signals(number)])

    def _forget_old(self) -> None:
        saved = sorted(self.folder.glob("step=*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))
        for path in saved[: -self.keep] if self.keep else []:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def point_to(path: Path, link: Path) -> None:
    """Make `link` stand for its neighbour `path`; at every moment it stands for the old one or the new one."""
    aside = link.with_suffix(".partial")
    aside.unlink(missing_ok=True)
    aside.symlink_to(path.name)
    aside.replace(link)
