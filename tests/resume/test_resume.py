"""An interrupted run continues exactly: weights, averages, optimiser state and reports, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning import LightningModule

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.running_mean import RunningMean
from tests import training

STAGES: dict[str, Callable[[], LightningModule]] = {
    "pretraining": training.pretraining,
    "causal_init": training.causal_init,
    "distillation": lambda: training.distillation(ReDMD(beta=2.0)),
    "running_mean": lambda: training.distillation(RunningMean(beta=2.0, decay=0.5)),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_twice_four_steps_are_eight(stage: str, tmp_path: Path) -> None:
    straight, reports = STAGES[stage](), training.Reports()
    whole = training.fit(straight, 8, WeightEMA(decay=0.8), reports)
    training.fit(STAGES[stage](), 4, WeightEMA(decay=0.8)).save_checkpoint(tmp_path / "half.ckpt")
    resumed, rest = STAGES[stage](), training.Reports()
    checkpoint = tmp_path / "half.ckpt"
    second = training.fit(resumed, 8, WeightEMA(decay=0.8), rest, resume=checkpoint, first=4)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for one, other in zip(reports.all[4:], rest.all, strict=True):
        assert {name: float(value) for name, value in one.items()} == {n: float(v) for n, v in other.items()}
    whole.save_checkpoint(tmp_path / "whole.ckpt")
    second.save_checkpoint(tmp_path / "resumed.ckpt")
    states = [
        torch.load(tmp_path / f"{run}.ckpt", weights_only=False)["optimizer_states"] for run in ("whole", "resumed")
    ]
    assert flat(states[0]) == flat(states[1])


def flat(state: object) -> list[object]:
    """The leaves of nested containers, tensors as bytes."""
    if isinstance(state, torch.Tensor):
        return [state.numpy().tobytes()]
    if isinstance(state, dict):
        return [leaf for value in state.values() for leaf in flat(value)]
    if isinstance(state, list | tuple):
        return [leaf for value in state for leaf in flat(value)]
    return [state]
