"""Checkpoints every so many steps, after the last one, when the run is asked to stop, and when it fails."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import logging
import signal
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch.distributed.checkpoint.api import CheckpointException

from reward_forcing.safekeeping import PARTIAL, aside, point_to, publish, remove

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, what schedulers end jobs with, and what SLURM can be told to send ahead (`--signal=USR1@120`)."""

say = logging.getLogger(__name__).warning


class Checkpoints(Checkpoint):
    """Writes `step=N.ckpt` with its digest beside it; `last.ckpt` points to the newest.

    On a signal the step in progress ends, is saved, and training stops. A second Ctrl-C interrupts at once; what a
    scheduler sends may come twice, from itself and through torchrun, and means the same. When a step fails, the state
    before it is saved, if this process is the only one. A checkpoint that cannot be written is told; those before it
    stay.

    Args:
        folder: where checkpoints go.
        every: steps between two of them.
        keep: how many of the newest stay; None: all.
        keep_every: those after a multiple of so many steps stay, too; None: none for that reason.
        keep_best: so many of the best stay, too.
        best_by: what they are judged by: the mean of what steps reported under this name since the checkpoint before.
        better: which values of it are.

    Raises:
        ValueError: a number is not positive.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        every: int,
        keep: int | None = None,
        keep_every: int | None = None,
        keep_best: int = 0,
        best_by: str = "student/reward",
        better: Literal["higher", "lower"] = "higher",
    ) -> None:
        for name, value in (("every", every), ("keep", keep), ("keep_every", keep_every)):
            if value is not None and value < 1:
                raise ValueError(f"callbacks.checkpoints.{name} is {value}; it must be at least 1")
        if keep_best < 0:
            raise ValueError(f"callbacks.checkpoints.keep_best is {keep_best}; it must be at least 0")
        self.folder, self.every, self.keep, self.keep_every = Path(folder), every, keep, keep_every
        self.keep_best, self.best_by, self.better = keep_best, best_by, better
        self.asked = False
        self.scores: dict[int, float] = {}
        self._values: list[float] = []
        self._whole: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for signals, in place of Lightning (which would requeue SLURM's jobs); only a main thread can."""
        self._whole = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time; stop if any rank was asked to.

        Raises:
            ValueError: a run that is asked to stop cannot be saved.
        """
        if self.keep_best and self.best_by in outputs:
            self._values.append(float(outputs[self.best_by]))
        asked = trainer.strategy.reduce_boolean_decision(self.asked, all=False)
        step = self._whole = trainer.global_step
        if asked or trainer.should_stop or step >= trainer.max_steps or step % self.every == 0:
            saved = self._save(trainer, step)
            if asked and not saved:
                raise ValueError(f"stopped after step {step}, which could not be saved in {self.folder}")
        trainer.should_stop = trainer.should_stop or asked

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._stop_listening()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back; save what was reached, unless someone is in a hurry or a step is half done."""
        self._stop_listening()
        step = trainer.global_step
        if not isinstance(exception, Exception) or trainer.world_size > 1 or not self._between_steps(trainer):
            return
        if not (self.folder / f"step={step}.ckpt").exists() and self._save(trainer, step):
            say(f"The state after step {step} is saved in {self.folder}")

    def state_dict(self) -> dict[str, Any]:
        """How good the checkpoints were, and what was reported since the last."""
        return {"scores": dict(self.scores), "values": list(self._values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.scores, self._values = dict(state_dict["scores"]), list(state_dict["values"])

    def _between_steps(self, trainer: Trainer) -> bool:
        """Whether the weights are those after a step that ended, with everything that follows a step done."""
        progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total
        return trainer.global_step == self._whole == progress.ready and trainer.global_step > 0

    def _save(self, trainer: Trainer, step: int) -> bool:
        """Save on all ranks; whether it could be done."""
        path = self.folder / f"step={step}.ckpt"
        if self._values:
            self.scores[step] = sum(self._values) / len(self._values)
            self._values = []
        problem = self._write(trainer, path)
        saved = trainer.strategy.reduce_boolean_decision(not problem, all=True)
        if trainer.is_global_zero and not saved:
            say(f"{path} could not be written: {problem or 'another process failed'}. Checkpoints before it stay")
        return bool(saved)

    def _write(self, trainer: Trainer, path: Path) -> str:
        """Write a checkpoint, put it in its place and remove what is not kept; what went wrong."""
        try:
            _save_on_all(trainer, aside(path))
            if trainer.is_global_zero:
                publish(path)
                point_to(path, self.folder / "last.ckpt")
                self._forget_old(trainer.global_step)
        except (OSError, CheckpointException) as error:
            if trainer.is_global_zero and aside(path).exists():
                remove(aside(path))
            return str(error)
        return ""

    def _forget_old(self, step: int) -> None:
        saved = {int(path.stem.partition("=")[2]): path for path in self.folder.glob("step=*.ckpt")}
        past = [number for number in saved if number <= step]  # later ones are of a run that was taken back
        signed = {number: score if self.better == "higher" else -score for number, score in self.scores.items()}
        for number in set(past) - kept(past, self.keep, self.keep_every, best=self.keep_best, scores=signed):
            remove(saved[number])
        for leftover in self.folder.glob(f"step=*{PARTIAL}"):
            remove(leftover)

    def _stop_listening(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            signal.signal(number, self._previous[signal.SIGINT])


def kept(
    steps: Iterable[int], newest: int | None, every: int | None, *, best: int = 0, scores: Mapping[int, float]
) -> set[int]:
    """Which checkpoints stay.

    Args:
        steps: of those there are.
        newest: how many of the newest; None: all.
        every: those after a multiple of so many steps; None: none.
        best: how many of the best.
        scores: of some of them, higher is better.
    """
    ordered = sorted(steps)
    judged = sorted((step for step in ordered if step in scores), key=lambda step: scores[step], reverse=True)
    regular = [step for step in ordered if every and step % every == 0]
    return {*(ordered[-newest:] if newest else ordered), *regular, *judged[:best]}


def _save_on_all(trainer: Trainer, path: Path) -> None:
    """Save; all ranks meet at the end, those that failed, too."""
    if trainer.is_global_zero:
        with suppress(OSError):  # then saving will say why
            remove(path)
    try:
        trainer.save_checkpoint(path)
    except (OSError, CheckpointException):
        trainer.strategy.barrier("Trainer.save_checkpoint")
        raise
