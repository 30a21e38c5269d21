from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from reward_forcing.callbacks.log_outputs import LogOutputs
from reward_forcing.callbacks.throughput import Throughput, peak_memory_gib
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.modules.distillation import Distillation
from tests import training


def logged(folder: Path, *callbacks: Any) -> list[dict[str, str]]:
    """The rows that a run of six distillation steps leaves in a logger."""
    import csv

    logger = CSVLogger(folder, flush_logs_every_n_steps=1)
    train(training.distillation(), logger, *callbacks)
    with (Path(logger.log_dir) / "metrics.csv").open() as rows:
        return list(csv.DictReader(rows))


def train(module: Distillation, logger: Any, *callbacks: Any) -> None:
    """Six steps, logged."""
    trainer = Trainer(
        max_steps=6,
        accelerator="cpu",
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(module, DataLoader(training.StepLoader(2), batch_size=None))
    logger.save()


def steps_with(rows: list[dict[str, str]], name: str) -> list[int]:
    return [int(row["step"]) for row in rows if row.get(name)]


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_each_networks_scalars_stand_at_its_own_steps(tmp_path: Path) -> None:
    rows = logged(tmp_path, LogOutputs())
    assert steps_with(rows, "student/loss") == [1, 4]
    assert steps_with(rows, "fake_score/loss") == [2, 3, 5, 6]


def test_every_thins_each_network_on_its_own(tmp_path: Path) -> None:
    rows = logged(tmp_path, LogOutputs(every=3))
    assert steps_with(rows, "student/loss") == [1, 4]
    assert steps_with(rows, "fake_score/loss") == [2, 5]


def test_throughput_is_logged_for_each_window(tmp_path: Path) -> None:
    rows = logged(tmp_path, Throughput(every=2))
    assert steps_with(rows, "speed/seconds_per_step") == [2, 4, 6]
    for row in rows:
        assert float(row["speed/samples_per_second"]) * float(row["speed/seconds_per_step"]) == pytest.approx(2)
        assert 0 < float(row["memory/peak_gib"]) <= peak_memory_gib(training.distillation().device)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_tensorboard_gets_histograms_of_rewards_and_weights_at_the_students_steps(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="")
    module = training.distillation(ReDMD(beta=2.0))
    train(module, logger, LogOutputs())
    read = EventAccumulator(str(tmp_path), size_guidance={"histograms": 0})
    read.Reload()
    assert set(read.Tags()["histograms"]) == {"student/rewards", "student/weights"}
    rewards, weights = (read.Histograms(f"student/{name}") for name in ("rewards", "weights"))
    assert [event.step for event in rewards] == [event.step for event in weights] == [1, 4]
    assert all(event.histogram_value.num == 2 for event in [*rewards, *weights])
    assert weights[-1].histogram_value.sum == pytest.approx(float(module.distributions["student/weights"].sum()))


class NotANumber(training.Brightness):
    def __call__(self, clean: Any, prompts: Any) -> Any:
        return super().__call__(clean, prompts) * float("nan")


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_what_is_not_finite_is_in_no_histogram(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="")
    module = training.distillation(ReDMD(beta=2.0))
    module.frozen.reward = NotANumber()
    train(module, logger, LogOutputs())
    read = EventAccumulator(str(tmp_path), size_guidance={"histograms": 0})
    read.Reload()
    assert read.Tags()["histograms"] == []


@pytest.mark.parametrize("callback", [LogOutputs, Throughput])
def test_every_must_be_positive(callback: Any) -> None:
    with pytest.raises(ValueError, match="every is 0"):
        callback(every=0)
