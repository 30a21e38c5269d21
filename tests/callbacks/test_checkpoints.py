import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from reward_forcing.callbacks.checkpoints import SIGNALS, Checkpoints, point_to
from reward_forcing.callbacks.latest_outputs import LatestOutputs

pytestmark = pytest.mark.filterwarnings("ignore")


class Walk(LightningModule):
    """One parameter that goes up by one each step."""

    def __init__(self) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:  # noqa: ARG002
        return {"loss": -self.place.sum(), "walk/place": self.place.detach().clone()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class SignalAt(Callback):
    def __init__(self, step: int, number: signal.Signals) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


def fit(folder: Path, *callbacks: Callback, steps: int = 7, resume: Path | None = None, **settings: Any) -> Trainer:
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[Checkpoints(folder=folder, **{"every": 3, **settings}), *callbacks],
    )
    trainer.fit(Walk(), DataLoader(TensorDataset(torch.zeros(100, 1))), ckpt_path=resume, weights_only=False)
    return trainer


def place(path: Path) -> float:
    return float(torch.load(path, weights_only=False)["state_dict"]["place"])


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Signals as a fresh Python treats them, whatever a test leaves behind."""
    kept = [(number, signal.getsignal(number)) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in kept:
        signal.signal(number, handler)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


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


def test_signals_are_given_back_after_a_failure(tmp_path: Path) -> None:
    class Fails(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            raise RuntimeError("on purpose")

    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tmp_path, Fails())
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("name", ["every", "keep"])
def test_numbers_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"callbacks.checkpoints.{name} is 0"):
        Checkpoints(folder="x", **{"every": 1, name: 0})


def test_a_link_can_be_moved(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        point_to(tmp_path / name, tmp_path / "last")
        assert (tmp_path / "last").read_text() == name


def test_the_latest_outputs(tmp_path: Path) -> None:
    latest = LatestOutputs()
    fit(tmp_path, latest, steps=4)
    assert latest.scalars == {"loss": -3.0, "walk/place": 3.0}
