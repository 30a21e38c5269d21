import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.utils.data import DataLoader, TensorDataset

from reward_forcing.callbacks.checkpoints import SIGNALS, Checkpoints, kept
from reward_forcing.callbacks.latest_outputs import LatestOutputs
from reward_forcing.safekeeping import DIGEST, damage

pytestmark = pytest.mark.filterwarnings("ignore")


class Walk(LightningModule):
    """One parameter that goes up by one each step; `walk/height` is highest around step 5."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.place = torch.nn.Parameter(torch.zeros(size))

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:  # noqa: ARG002
        optimizer, before = self.optimizers(), self.place.detach().clone()
        assert isinstance(optimizer, LightningOptimizer)
        loss = -self.place.sum()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {"loss": loss, "walk/place": before[0], "walk/height": -(before[0] - 5).square()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class SignalAt(Callback):
    def __init__(self, step: int, number: signal.Signals) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


def fit(
    folder: Path, *callbacks: Callback, steps: int = 7, resume: Path | None = None, size: int = 1, **settings: Any
) -> Trainer:
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[Checkpoints(folder=folder, **{"every": 3, **settings}), *callbacks],
    )
    trainer.fit(Walk(size), DataLoader(TensorDataset(torch.zeros(100, 1))), ckpt_path=resume, weights_only=False)
    return trainer


def place(path: Path) -> float:
    return float(torch.load(path, weights_only=True)["state_dict"]["place"][0])


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Signals as a fresh Python treats them, whatever a test leaves behind."""
    kept = [(number, signal.getsignal(number)) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in kept:
        signal.signal(number, handler)


def names(folder: Path) -> set[str]:
    """Of what there is, without digests; those must be right."""
    sealed = {path.name.removesuffix(DIGEST) for path in folder.glob(f"*{DIGEST}")}
    assert sealed == {path.name for path in folder.glob("step=*.ckpt")}
    assert not any(damage(folder / name) for name in sealed)
    return {path.name for path in folder.iterdir() if path.suffix != DIGEST}


def test_every_so_many_steps_and_after_the_last(tmp_path: Path) -> None:
    fit(tmp_path)
    assert names(tmp_path) == {"step=3.ckpt", "step=6.ckpt", "step=7.ckpt", "last.ckpt"}
    assert (tmp_path / "last.ckpt").resolve().name == "step=7.ckpt"
    assert [place(tmp_path / name) for name in ("step=3.ckpt", "step=6.ckpt", "last.ckpt")] == [3, 6, 7]


def test_only_the_newest_stay(tmp_path: Path) -> None:
    fit(tmp_path, every=1, steps=12, keep=2)
    assert names(tmp_path) == {"step=11.ckpt", "step=12.ckpt", "last.ckpt"}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_step_and_saves(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    trainer = fit(tmp_path, SignalAt(4, number))
    assert trainer.global_step == 5
    assert place(tmp_path / "last.ckpt") == 5
    assert signal.getsignal(number) is before
    assert fit(tmp_path, resume=tmp_path / "last.ckpt").global_step == 7
    assert place(tmp_path / "last.ckpt") == 7


def test_a_second_signal_interrupts_at_once(tmp_path: Path) -> None:
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path, SignalAt(4, signal.SIGINT), SignalAt(4, signal.SIGINT))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_scheduler_may_repeat_itself_and_lightning_requeues_nothing(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under SLURM, Lightning would save a checkpoint of its own, call `scontrol requeue`, and resume from that file."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scontrol").write_text(f"#!/bin/sh\necho $@ > {tmp_path}/requeued\n")
    (tmp_path / "bin/scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    job = {"NTASKS": 1, "JOB_NAME": "train", "JOB_ID": 7, "PROCID": 0, "LOCALID": 0, "NODEID": 0}
    for name, value in {**job, "STEP_NODELIST": "localhost", "NTASKS_PER_NODE": 1}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    trainer = fit(tmp_path / "run", SignalAt(4, number), SignalAt(4, number))
    assert type(trainer._accelerator_connector.cluster_environment).__name__ == "SLURMEnvironment"
    assert trainer.global_step == 5
    assert names(tmp_path / "run") == {"step=3.ckpt", "step=5.ckpt", "last.ckpt"}
    assert not (tmp_path / "requeued").exists()


def test_signals_are_given_back_after_a_failure(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tmp_path, Fails(0))
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("name", ["every", "keep", "keep_every"])
def test_numbers_out_of_range(name: str) -> None:
    settings: dict[str, Any] = {"every": 1, name: 0}
    with pytest.raises(ValueError, match=f"callbacks.checkpoints.{name} is 0"):
        Checkpoints(folder="x", **settings)


def test_fewer_than_none_of_the_best() -> None:
    with pytest.raises(ValueError, match=r"callbacks\.checkpoints\.keep_best is -1; it must be at least 0"):
        Checkpoints(folder="x", every=1, keep_best=-1)


class Fails(Callback):
    """Fails before or after a step."""

    def __init__(self, step: int, *, after: bool = False, error: type[BaseException] = RuntimeError) -> None:
        self.step, self.after, self.error = step, after, error

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and not self.after:
            raise self.error("on purpose")

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and self.after:
            raise self.error("on purpose")


def test_what_was_reached_before_a_failure_is_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tmp_path, Fails(5))
    assert names(tmp_path) == {"step=3.ckpt", "step=5.ckpt", "last.ckpt"}
    assert place(tmp_path / "last.ckpt") == 5
    assert "The state after step 5 is saved" in caplog.text
    assert fit(tmp_path, resume=tmp_path / "last.ckpt").global_step == 7
    assert place(tmp_path / "last.ckpt") == 7


@pytest.mark.parametrize(
    "failure",
    [Fails(5, after=True), Fails(3), Fails(0), Fails(5, error=KeyboardInterrupt)],
    ids=["done", "half", "first", "hurry"],
)
def test_what_is_half_done_or_already_there_or_in_a_hurry_is_not_saved(tmp_path: Path, failure: Fails) -> None:
    """After a step, other callbacks (averages) may not have seen it yet."""
    with pytest.raises((RuntimeError, SystemExit)):
        fit(tmp_path, failure)
    assert names(tmp_path) == ({"step=3.ckpt", "last.ckpt"} if failure.step else set())


class Stops(Callback):
    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step == 2


def test_a_training_that_another_callback_stops_is_saved(tmp_path: Path) -> None:
    assert fit(tmp_path, Stops()).global_step == 2
    assert names(tmp_path) == {"step=2.ckpt", "last.ckpt"}


def test_some_stay_for_good_and_the_best_too(tmp_path: Path) -> None:
    fit(tmp_path, every=1, steps=14, keep=1, keep_every=4, keep_best=2, best_by="walk/height")
    assert names(tmp_path) == {f"step={step}.ckpt" for step in (4, 5, 6, 8, 12, 14)} | {"last.ckpt"}


def test_the_best_are_remembered_and_may_be_the_lowest(tmp_path: Path) -> None:
    best: dict[str, Any] = {"every": 2, "keep": 1, "keep_best": 1, "best_by": "walk/height", "better": "lower"}
    fit(tmp_path, steps=4, **best)
    fit(tmp_path, steps=8, resume=tmp_path / "last.ckpt", **best)
    assert names(tmp_path) == {"step=2.ckpt", "step=8.ckpt", "last.ckpt"}


def test_later_checkpoints_of_a_run_that_was_taken_back_do_not_count(tmp_path: Path) -> None:
    fit(tmp_path, every=2, steps=8)
    fit(tmp_path, every=1, steps=3, keep=1, resume=tmp_path / "step=2.ckpt")
    assert names(tmp_path) == {"step=3.ckpt", "step=4.ckpt", "step=6.ckpt", "step=8.ckpt", "last.ckpt"}
    assert (tmp_path / "last.ckpt").resolve().name == "step=3.ckpt"


@pytest.fixture(autouse=True)
def any_size() -> Iterator[None]:
    """Files may be as large after a test as before it, whichever way a training in it has ended."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


class DiskFull(Callback):
    """Files cannot grow beyond some bytes during some steps."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        limit = 100_000 if trainer.global_step + 1 in self.steps else self.limits[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self.limits[1]))


def test_a_full_disk_is_told_and_costs_no_older_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert fit(tmp_path, DiskFull(6), every=2, steps=8, keep=1, size=100_000).global_step == 8
    assert names(tmp_path) == {"step=8.ckpt", "last.ckpt"}
    assert "step=6.ckpt could not be written: [Errno 27] File too large. Checkpoints before it stay" in caplog.text


def test_a_last_word_that_cannot_be_written_keeps_the_one_before(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"stopped after step 5, which could not be saved in"):
        fit(tmp_path, DiskFull(5), SignalAt(4, signal.SIGTERM), size=100_000, keep=1)
    assert names(tmp_path) == {"step=3.ckpt", "last.ckpt"}
    assert place(tmp_path / "last.ckpt") == 3


def test_a_place_that_is_no_folder_is_told_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert fit(tmp_path / "file/inside").global_step == 7
    assert "file/inside/step=3.ckpt could not be written" in caplog.text


STEPS = st.sets(st.integers(1, 60))


@given(STEPS, st.none() | st.integers(1, 5), st.none() | st.integers(1, 9), st.integers(0, 3), st.data())
def test_what_is_kept(steps: set[int], newest: int | None, every: int | None, best: int, data: st.DataObject) -> None:
    scores = {step: float(data.draw(st.integers(-9, 9))) for step in sorted(steps) if step % 2}
    left = kept(steps, newest, every, best=best, scores=scores)
    regular = {step for step in steps if every and step % every == 0}
    new = set(sorted(steps)[-newest:]) if newest else steps
    assert regular | new <= left <= steps
    others = left - regular - new
    assert others <= set(scores)
    assert len(others) <= best
    assert all(scores[kept_one] >= scores[gone] for kept_one in others for gone in set(scores) - left)
    assert len(set(scores) & left) >= min(best, len(scores))


def test_the_latest_outputs(tmp_path: Path) -> None:
    latest = LatestOutputs()
    fit(tmp_path, latest, steps=4)
    assert latest.scalars == {"loss": -3.0, "walk/place": 3.0, "walk/height": -4.0}


def test_a_continued_run_knows_what_was_reported_before(tmp_path: Path) -> None:
    one, other = LatestOutputs(), LatestOutputs()
    fit(tmp_path, one, steps=4)
    fit(tmp_path, other, steps=4, resume=tmp_path / "last.ckpt")
    assert other.scalars == one.scalars
