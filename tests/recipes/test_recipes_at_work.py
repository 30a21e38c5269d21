"""Every recipe of real size trains, with small parts in its places, in one process and sharded over two."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reward_forcing import train
from reward_forcing.networks.weights import load
from tests import small_recipes, small_runs
from tests.processes import torchrun

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    small_recipes.write_parts(folder)
    return folder


@pytest.fixture(scope="module")
def pair(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left of all recipes, by precision and name."""
    folder = tmp_path_factory.mktemp("pair")
    torchrun("-m", "tests.recipes.two_processes", str(parts), str(folder))
    return folder


def exported(run: Path) -> dict[str, Tensor]:
    (path,) = run.glob("*student.safetensors")
    network = load(path)
    assert network.sizes["dim"] == small_runs.SIZES["dim"]
    return network.state_dict()


def scalars(run: Path) -> dict[str, Any]:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == small_recipes.STEPS
    found: dict[str, Any] = summary["scalars"]
    return found


@pytest.mark.parametrize("name", small_recipes.RECIPES)
def test_two_processes_train_as_one_does(name: str, parts: Path, pair: Path, tmp_path: Path) -> None:
    """In fp32, from the same start: reports and the exported average agree, and have left the start."""
    (job,) = train.plan(small_recipes.overrides(name, parts, tmp_path / "run"))
    outcome = train.run(job.config)
    assert (outcome.state, outcome.steps) == ("finished", small_recipes.STEPS)
    together = pair / "32-true" / name
    assert scalars(together) == pytest.approx(scalars(tmp_path / "run"), rel=2e-3, abs=1e-6)
    alone, begun = exported(tmp_path / "run"), load(parts / "exports/initial_student.safetensors").state_dict()
    begun = begun if name in small_recipes.DISTILLATIONS else load(parts / "exports/teacher.safetensors").state_dict()
    moved = max(float((alone[key] - value).abs().max()) for key, value in begun.items())
    assert moved > 1e-5
    for key, value in exported(together).items():
        torch.testing.assert_close(value, alone[key], rtol=1e-3, atol=0.01 * moved)


@pytest.mark.parametrize("name", small_recipes.RECIPES)
def test_sharded_in_bf16_it_learns_the_same(name: str, pair: Path) -> None:
    """As the sharded recipes are written; losses differ by rounding only."""
    exact, coarse = (scalars(pair / precision / name) for precision in ("32-true", "bf16-mixed"))
    assert coarse.keys() == exact.keys()
    assert coarse != exact
    assert coarse["student/gradient_norm"] == pytest.approx(exact["student/gradient_norm"], rel=0.2, abs=1e-3)
    assert coarse["student/loss"] == pytest.approx(exact["student/loss"], rel=0.1, abs=1e-4)
    assert all(bool(value.isfinite().all()) for value in exported(pair / "bf16-mixed" / name).values())
