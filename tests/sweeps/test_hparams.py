"""What TensorBoard reads back."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from reward_forcing.sweeps.hparams import value_of, write_hparams
from reward_forcing.sweeps.jobs import Job, Outcome


def results(sweep: Path) -> list[tuple[Job, Outcome]]:
    made = []
    for sink, beta, loss in (("ema", "0.5", 1.5), ("none", "2", 2.5)):
        label = f"sink={sink},loss.beta={beta}"
        config = OmegaConf.create({"run_dir": str(sweep / label), "trainer": {}})
        job = Job(config, (), label, {"sink": sink, "loss.beta": beta}, sweep)
        made.append((job, Outcome(job.folder, 4, "finished", 1.0, {"student/loss": loss})))
    return made


def read(folder: Path) -> tuple[dict[str, Any], float]:
    """Hyper-parameters and the last loss."""
    events = EventAccumulator(str(folder)).Reload()
    plugin = events.summary_metadata["_hparams_/session_start_info"].plugin_data
    assert plugin.plugin_name == "hparams"
    told = HParamsPluginData.FromString(plugin.content).session_start_info.hparams
    values = {key: getattr(value, str(value.WhichOneof("kind"))) for key, value in told.items()}
    return values, events.Scalars("student/loss")[-1].value


def test_every_cell_has_its_parameters_and_scalars(tmp_path: Path) -> None:
    write_hparams(results(tmp_path))
    folders = sorted((tmp_path / "hparams").iterdir())
    assert [read(folder) for folder in folders] == [
        ({"sink": "ema", "loss.beta": 0.5}, 1.5),
        ({"sink": "none", "loss.beta": 2.0}, 2.5),
    ]


def test_cells_of_an_earlier_sweep_do_not_stay_nor_do_unfinished_ones_come(tmp_path: Path) -> None:
    write_hparams(results(tmp_path))
    (first, done), (second, _) = results(tmp_path)
    write_hparams([(first, done), (second, Outcome(second.folder, 1, "failed"))])
    assert [folder.name for folder in (tmp_path / "hparams").iterdir()] == [first.label]
    write_hparams([(second, Outcome(second.folder, 1, "failed"))])
    assert len([*(tmp_path / "hparams").iterdir()]) == 1


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("2e-4", 2e-4), ("true", True), ("false", False), ("ema", "ema"), ("[1]", "[1]")]
)
def test_numbers_are_numbers(text: str, value: Any) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)
