"""Two processes do what one does, under every option of `trainer` for several, and continue exactly."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from reward_forcing.data.training_data import TrainingData
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from reward_forcing.modules import distillation as module_of_distillation
from reward_forcing.modules.sharding import gathered
from reward_forcing.networks.wan import WanTransformer
from tests import tiny
from tests.processes import torchrun
from tests.resume.states import leaves
from tests.resume.trainings import BATCH, STAGES, Items, distillation, fit, logged_in, seen_in
from tests.resume.two_ranks import HALF, LEARNERS, MATRIX, SAME_AS_ONE, STEPS, configured

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CONTINUED = [(option, stage) for option, stages in MATRIX.items() for stage in stages]
COMPARED = [
    (option, stage)
    for option, stages in SAME_AS_ONE.items()
    for stage in (*stages, *(learner for learner in MATRIX[option] if learner != LEARNERS[2]))
]


@contextmanager
def group_of_one() -> Iterator[None]:
    """Trainers inside may split networks in this process alone, which has no group afterwards."""
    with patch.dict(os.environ):  # Lightning sets variables
        try:
            yield
        finally:
            distributed.destroy_process_group()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process left: of every stage that is compared, and of a distillation that is split into one part."""
    folder = tmp_path_factory.mktemp("alone")
    for stage in sorted({stage for _, stage in COMPARED}):
        fit(STAGES[stage](2), folder / stage, STEPS)
    with group_of_one():
        fit(distillation(2), folder / "split", STEPS, **configured("sharded", 1))
    return folder


@pytest.fixture(scope="module")
def pair(alone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left."""
    folder = tmp_path_factory.mktemp("pair")
    half = alone / "split" / f"step={HALF}.ckpt"
    torchrun("-m", "tests.resume.two_ranks", str(folder), str(half), "2", timeout=1200)
    return folder


@pytest.fixture(scope="module")
def found(pair: Path) -> dict[str, Any]:
    """What they found about themselves."""
    result: dict[str, Any] = torch.load(pair / "found.pt", weights_only=True)
    return result


def state(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint, whole: weights, averages, optimisers, callbacks."""
    if not checkpoint.is_dir():
        held: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        return {part: held[part] for part in ("state_dict", "optimizer_states", "callbacks", "global_step")}
    whole = checkpoint.with_suffix(".whole")
    dcp_to_torch_save(checkpoint, whole)
    return {**torch.load(whole, weights_only=True), "callbacks": torch.load(checkpoint / "meta.pt")["callbacks"]}


@pytest.mark.parametrize(("option", "stage"), CONTINUED)
def test_two_and_two_steps_are_four(option: str, stage: str, pair: Path) -> None:
    """Weights, averages, optimisers, the order of the data on both ranks, reports and logs, bit for bit."""
    whole, rest = pair / option / stage / "whole", pair / option / stage / "rest"
    one, other = (leaves(state(folder / f"step={STEPS}.ckpt")) for folder in (whole, rest))
    assert any("optimizer" in name for name in one)
    assert one == other
    for rank in (0, 1):
        (batches, reports), (later, told) = seen_in(whole, rank), seen_in(rest, rank)
        assert later == batches[HALF:]
        assert told == reports[HALF:]
    assert logged_in(rest)[-1] == logged_in(whole)[-1]


@pytest.mark.parametrize(("option", "stage"), COMPARED)
def test_two_processes_do_what_one_does_with_twice_the_micro_batches(
    option: str, stage: str, pair: Path, alone: Path
) -> None:
    """The same losses, gradients, weights and averages, within rounding."""
    _, reports = seen_in(alone / stage)
    for rank in (0, 1):
        _, theirs = seen_in(pair / option / stage / "whole", rank)
        assert [report.keys() for report in theirs] == [report.keys() for report in reports]
        for one, two in zip(reports, theirs, strict=True):
            assert two == pytest.approx(one, rel=1e-4, abs=1e-5)
    own = state(alone / stage / "last.ckpt")["state_dict"]
    theirs_at_last = state(pair / option / stage / "whole" / f"step={STEPS}.ckpt")["state_dict"]
    for name, value in own.items():
        torch.testing.assert_close(theirs_at_last[name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("option", MATRIX)
def test_samples_of_both_processes_are_weighed_together(
    option: str, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first loss of a self-normalised Re-DMD is that of a loop over the ranks' samples with the rewards of all."""
    data = TrainingData(content=Items(), batch_size=BATCH, seed=0)
    module = distillation(1, SelfNormalisedReDMD(beta=2.0))
    parts: list[Samples] = []

    def loss(rank: int) -> Tensor:
        return module._student_loss(data.batch_at(0, rank, 2), (0, rank, 0), [])["loss"].detach()

    def noted(samples: Samples) -> Samples:
        parts.append(samples)
        return samples

    def together(samples: Samples) -> Samples:
        rank = next(rank for rank, part in enumerate(parts) if torch.equal(part.rewards, samples.rewards))
        rewards, sigma = (torch.cat([getattr(part, name) for part in parts]) for name in ("rewards", "sigma"))
        prompts = parts[0].prompts + parts[1].prompts
        return replace(samples, rewards=rewards, sigma=sigma, prompts=prompts, own=slice(2 * rank, 2 * rank + 2))

    monkeypatch.setattr(module_of_distillation, "over_ranks", noted)
    apart = float((loss(0) + loss(1)) / 2)
    monkeypatch.setattr(module_of_distillation, "over_ranks", together)
    expected = float((loss(0) + loss(1)) / 2)
    reported = seen_in(pair / option / "self_normalised" / "whole")[1][0]["student/loss"]
    assert reported == pytest.approx(expected, rel=1e-5)
    assert reported != pytest.approx(apart, rel=1e-3), "which is not each rank for itself"


@pytest.mark.parametrize("option", ["sharded", "hybrid"])
def test_a_checkpoint_in_parts_is_taken_by_one_process(option: str, pair: Path, alone: Path, tmp_path: Path) -> None:
    """Its weights are equal; training goes on as that of one process, within rounding."""
    half = pair / option / "distillation" / "whole" / f"step={HALF}.ckpt"
    loaded = distillation(2)
    with group_of_one():
        fit(loaded, tmp_path / "loaded", HALF, resume=half, **configured("sharded", 1))
        weights = gathered(loaded)
        fit(distillation(2), tmp_path / "rest", STEPS, resume=half, **configured("sharded", 1))
    assert all(torch.equal(weights[name], value) for name, value in state(half)["state_dict"].items())
    for one, other in zip(seen_in(alone / "distillation")[1][HALF:], seen_in(tmp_path / "rest")[1], strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_a_checkpoint_of_one_part_is_taken_by_two_processes(found: dict[str, Any], pair: Path, alone: Path) -> None:
    half = state(alone / "split" / f"step={HALF}.ckpt")["state_dict"]
    assert all(torch.equal(found["grown"][name], value) for name, value in half.items())
    for one, other in zip(seen_in(alone / "split")[1][HALF:], seen_in(pair / "grown")[1], strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_every_network_is_split(found: dict[str, Any]) -> None:
    assert found["sharded"]


def test_exports_are_whole(found: dict[str, Any]) -> None:
    averaged = {name[12:]: value for name, value in found["unjudged"].items() if name.startswith("student_ema.")}
    for key in ("export", "lora_export"):
        network = WanTransformer(**tiny.SIZES)
        network.load_state_dict(found[key])
    assert all(torch.equal(found["export"][name], value) for name, value in averaged.items())


def test_adapters_learn_in_bf16_when_split(pair: Path) -> None:
    (_, exact), (_, coarse) = seen_in(pair / "sharded" / "distillation" / "whole"), seen_in(pair / "lora")
    assert all(report[name] > 0 for report in coarse for name in report if name.endswith("gradient_norm"))
    assert coarse[0]["student/score_gap"] == pytest.approx(exact[0]["student/score_gap"], rel=0.1), "fresh ones are 0"
    assert coarse[0]["student/score_gap"] != exact[0]["student/score_gap"]


def test_all_ranks_skip_what_is_wrong_on_one(found: dict[str, Any], pair: Path) -> None:
    """The student's step is not taken and its average stays; the fake score's is."""
    student, fake_score = seen_in(pair / "unjudged")[1]
    assert (student["student/skipped"], fake_score["fake_score/skipped"]) == (1.0, 0.0)
    before = distillation(1).state_dict()
    moved = {name for name, value in found["unjudged"].items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in moved} == {"fake_score"}
