"""`kill -9` at random instants of a real training, again and again: in the end it is as if nothing had happened.

REWARD_FORCING_KILLS=20 kills more often than the 5 times of the usual suite.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reward_forcing.safekeeping import damage
from tests import small_runs
from tests.processes import ROOT
from tests.resume.states import leaves

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("REWARD_FORCING_KILLS", "5"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a run that was never interrupted and of one that was killed."""
    folder = tmp_path_factory.mktemp("kills")
    small = [
        *small_runs.distillation(folder / "unused"),
        "callbacks.checkpoints.every=1",
        "callbacks.checkpoints.keep=2",
    ]
    overrides = [one for one in small if not one.startswith(("run_dir", "trainer.max_steps"))]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    subprocess.run(
        [sys.executable, "-m", "tests.resume.killed_runs", str(folder), str(KILLS), "0", *overrides],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    return folder


def state(run: Path) -> dict[str, Any]:
    """What the last checkpoint holds of networks, averages, optimisers and callbacks."""
    held = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    return leaves({key: held[key] for key in ("state_dict", "optimizer_states", "global_step", "callbacks")})


def test_it_was_killed_in_its_course(runs: Path) -> None:
    told = json.loads((runs / "told.json").read_text())
    assert told["killed"] == KILLS
    assert told["steps"] == sorted(told["steps"]), "nothing that was reached is lost"


def test_weights_averages_and_optimisers_are_those_of_the_whole_run(runs: Path) -> None:
    whole, killed = (state(runs / name) for name in ("whole", "killed"))
    assert len(whole) > 50
    assert whole == killed
    one, other = (load_file(runs / name / "student.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_so_is_what_was_reported(runs: Path) -> None:
    one, other = (json.loads((runs / name / "summary.json").read_text()) for name in ("whole", "killed"))
    assert one["steps"] == other["steps"] == 4
    assert {"student/reward", "fake_score/loss"} <= set(one["scalars"])
    assert one["scalars"] == other["scalars"]


def test_nothing_is_left_lying_about(runs: Path) -> None:
    names = {path.name for path in (runs / "killed/checkpoints").iterdir()}
    assert names == {f"step={step}.ckpt{end}" for step in (3, 4) for end in ("", ".sha256")} | {"last.ckpt"}
    assert damage(runs / "killed/checkpoints/last.ckpt") == ""
    assert {path.name for path in (runs / "killed").iterdir()} == {path.name for path in (runs / "whole").iterdir()}
