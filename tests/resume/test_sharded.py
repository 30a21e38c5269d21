"""Training sharded over two processes does what one process does, and continues exactly."""

from typing import Any

import pytest
import torch

from reward_forcing.networks.wan import WanTransformer
from tests import tiny
from tests.processes import torchrun
from tests.resume import sharded_run


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes found."""
    folder = tmp_path_factory.mktemp("sharded")
    torchrun("-m", "tests.resume.sharded_run", str(folder))
    result: dict[str, Any] = torch.load(folder / "found.pt", weights_only=True)
    return result


def test_every_network_is_split(found: dict[str, Any]) -> None:
    assert found["sharded"]


def test_two_processes_do_what_one_does(found: dict[str, Any]) -> None:
    alone = sharded_run.module(2)
    _, reports = sharded_run.fit(alone, 4, 1)
    for one, two in zip(sharded_run.numbers(reports), found["reports"], strict=True):
        assert one == pytest.approx(two, rel=1e-4, abs=1e-5)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(found["weights"][name], value, rtol=1e-3, atol=1e-5)


def test_two_and_two_steps_are_four(found: dict[str, Any]) -> None:
    assert found["reports"][2:] == found["rest"]
    for name, value in found["weights"].items():
        assert torch.equal(value, found["resumed"][name]), name


def test_exports_are_whole(found: dict[str, Any]) -> None:
    averaged = {name[12:]: value for name, value in found["weights"].items() if name.startswith("student_ema.")}
    for key in ("export", "lora_export"):
        network = WanTransformer(**tiny.SIZES)
        network.load_state_dict(found[key])
    assert all(torch.equal(found["export"][name], value) for name, value in averaged.items())


def test_adapters_learn_in_bf16_when_split(found: dict[str, Any]) -> None:
    assert all(report[name] > 0 for report in found["lora"] for name in report if name.endswith("gradient_norm"))
    exact, coarse = (found[key][0]["student/score_gap"] for key in ("reports", "lora"))
    assert coarse == pytest.approx(exact, rel=0.1), "fresh adapters change nothing"
    assert coarse != exact


def test_all_ranks_skip_what_is_wrong_on_one(found: dict[str, Any]) -> None:
    """The student's step is not taken and its average stays; the fake score's is."""
    student, fake_score = found["skips"]
    assert (student["student/skipped"], fake_score["fake_score/skipped"]) == (1.0, 0.0)
    before = sharded_run.module(1).state_dict()
    moved = {name for name, value in found["unjudged"].items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in moved} == {"fake_score"}
