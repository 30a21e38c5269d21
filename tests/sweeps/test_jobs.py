from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from reward_forcing.sweeps.jobs import LONGEST, Job, Outcome, folder_name


def job(**trainer: Any) -> Job:
    return Job(OmegaConf.create({"run_dir": "runs/x", "trainer": trainer}), ())


@pytest.mark.parametrize(
    ("trainer", "devices"),
    [({}, 1), ({"devices": 2}, 2), ({"devices": "4", "num_nodes": 2}, 8), ({"devices": "auto"}, 1)],
)
def test_devices_are_those_that_are_written(trainer: dict[str, Any], devices: int) -> None:
    assert job(**trainer).devices == devices


def test_a_job_is_called_by_its_label_or_its_folder() -> None:
    alone = job()
    assert (alone.folder, alone.title) == (Path("runs/x"), "runs/x")
    assert Job(alone.config, (), "sink=ema").title == "sink=ema"


@pytest.mark.parametrize(
    ("state", "done"),
    [("finished", True), ("finished before", True), ("taken over", True), ("stopped", False), ("failed", False)],
)
def test_exports_are_there_in_some_states(state: Any, done: bool) -> None:
    assert Outcome(Path("x"), 1, state).done is done


def test_labels_become_names_of_folders() -> None:
    assert folder_name("sink=ema,loss=dmd") == "sink=ema,loss=dmd"
    assert folder_name("""data=a/b\\c,'x',"y\"""") == "data=a_b_c,_x_,_y_"
    one, other = (folder_name("key=" + "v" * 300 + end) for end in "ab")
    assert one != other
    assert len(one) == LONGEST
