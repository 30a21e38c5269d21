"""Stand-ins answer as what they stand in for should, in cases that are clear."""

import pytest
import torch
from torch import Tensor

from evaluation.evidence import look
from evaluation.validation.stand_ins import STAND_INS, features, filters, flow_strength, surprise
from tests.evaluation.made import MOVING, truth


def pattern(shift: float) -> Tensor:
    """A smooth wave of 32 x 32 pixels, moved."""
    x = torch.arange(32) - shift
    wave = 128 + 60 * torch.sin(2 * torch.pi * x / 16)
    return wave.expand(1, 3, 32, 32).round().to(torch.uint8)


def test_features_are_fixed_by_the_seed_and_ignore_plain_light() -> None:
    frames = truth(4)[0]
    assert torch.equal(features(frames, 1), features(frames, 1))
    assert not torch.equal(features(frames, 1), features(frames, 2))
    assert filters(3).sum((1, 2, 3)).abs().max() < 1e-4
    inside = features(torch.full((1, 3, 32, 32), 90, dtype=torch.uint8), 1).view(48, 4, 4)[:, 1:3, 1:3]
    assert inside.abs().max() < 1e-4


def test_nearer_frames_have_nearer_features() -> None:
    found = features(truth(30)[0], 1)
    near, far = (torch.nn.functional.cosine_similarity(found[0], found[i], dim=0) for i in (1, 20))
    assert near > far


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_motion_is_measured_across_edges(shift: float) -> None:
    """In units of VBench's threshold, which is 0.75 pixels here; the fastest pixels are a little faster."""
    found = float(flow_strength(pattern(0), pattern(shift)))
    assert found == pytest.approx(shift / 0.75, abs=0.4)


def test_grain_without_slope_is_bounded() -> None:
    black, white = torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    assert float(flow_strength(black, white)) == pytest.approx(4 / 0.75)


def test_even_change_is_no_surprise() -> None:
    ramp = [torch.full((1, 3, 4, 4), level, dtype=torch.uint8) for level in (10, 20, 30)]
    assert surprise(*ramp).tolist() == [0]
    assert surprise(ramp[0], ramp[2], ramp[0]).tolist() == [20]


def test_stand_ins_give_the_signals_metrics_ask_for() -> None:
    evidence = look(truth(9), MOVING, instruments=STAND_INS)
    assert evidence.signal("dino").shape[:2] == (3, 9)
    assert evidence.signal("clip_tensors").shape[:2] == (3, 9)
    assert evidence.signal("flow").shape == (3, 8)
    assert evidence.signal("surprise").shape == (3, 4)
