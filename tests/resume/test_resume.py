"""A run that goes on from a checkpoint ends as one that was never stopped, bit for bit, whoever loads its data."""

from pathlib import Path

import pytest
import torch

from tests.resume.states import leaves
from tests.resume.trainings import STAGES, fit, logged_in, seen_in

STEPS, HALF = 6, 3


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "self_normalised"])
@pytest.mark.filterwarnings("ignore")
def test_twice_three_steps_are_six(stage: str, tmp_path: Path) -> None:
    """Stopped within an epoch, continued with two loader processes."""
    whole = fit(STAGES[stage](2), tmp_path / "whole", STEPS)
    fit(STAGES[stage](2), tmp_path / "half", HALF)
    second = fit(STAGES[stage](2), tmp_path / "half", STEPS, resume=tmp_path / "half/last.ckpt", workers=2)
    assert second.global_step == whole.global_step == STEPS
    one, other = (torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("whole", "half"))
    parts = ("state_dict", "optimizer_states", "callbacks", "global_step")
    assert leaves({part: one[part] for part in parts}) == leaves({part: other[part] for part in parts})
    (batches, reports), (rest, told) = seen_in(tmp_path / "whole"), seen_in(tmp_path / "half")
    assert rest == batches[HALF:], "the order of the data"
    assert told == reports[HALF:]
    assert logged_in(tmp_path / "half")[-1] == logged_in(tmp_path / "whole")[-1]
