"""Falling back to the beginning and stopping, in videos of any world."""

import pytest
import torch
from torch import Tensor

from evaluation.evidence import Evidence, look
from evaluation.metrics.sink_copying import revisits, sink_relapse, sink_relapses, stagnation
from tests.evaluation.made import MOVING, truth

PROMPTS = ["a cat"] * len(MOVING)


def seen(frames: Tensor) -> Evidence:
    return look(frames, PROMPTS)


def test_a_video_that_starts_again_relapses_as_often_as_it_does() -> None:
    frames = truth(45)
    again = seen(frames[:, [*range(15)] * 3])
    assert (sink_relapse(again) > 0.99).all()
    assert (sink_relapses(again) >= 2).all()
    assert revisits(again).numpy() == pytest.approx(6 / 39)
    assert revisits(seen(frames)).mean() < 0.05


def test_one_flashback_is_one_deep_relapse() -> None:
    frames = truth(24)
    flash = frames.clone()
    flash[:, 16:18] = frames[:, :2]
    whole, torn = seen(frames), seen(flash)
    assert (sink_relapses(torn) >= 1).all()
    assert (sink_relapse(torn) > 0.5).all()
    assert sink_relapse(whole).mean() < 0.5
    assert revisits(torn).numpy() == pytest.approx(2 / 18, abs=0.06)


def test_a_frozen_video_stagnates_and_never_left() -> None:
    frozen = seen(truth(1).expand(-1, 20, -1, -1, -1))
    assert (stagnation(frozen) == 1).all()
    assert (sink_relapse(frozen) == 0).all()
    assert (revisits(frozen) == 1).all()


def test_stagnation_is_the_share_that_stands_still() -> None:
    frames = truth(21)
    frames[:, 11:] = frames[:, 10:11]
    assert stagnation(seen(frames)).numpy() == pytest.approx(0.5, abs=0.06)
    assert (stagnation(seen(frames).between(11, 21)) == 1).all()
    assert torch.equal(stagnation(seen(truth(21))), torch.zeros(3))
