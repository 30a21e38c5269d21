"""Motion is what gets somewhere: neither wobble nor teleporting nor standing still."""

from collections.abc import Callable

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence, look
from evaluation.metrics import toy_motion
from tests.evaluation.made import MOVING, truth


def mean(metric: Callable[[Evidence], Float[Tensor, "clip *frame"]], frames: Tensor) -> float:
    return float(metric(look(frames, MOVING)).nanmean())


def test_a_frozen_video_does_not_move() -> None:
    frozen = truth(1).expand(-1, 30, -1, -1, -1)
    assert mean(toy_motion.net_displacement, frozen) == pytest.approx(0, abs=1e-4)
    assert mean(toy_motion.step_motion, frozen) == pytest.approx(0, abs=1e-4)
    assert mean(toy_motion.scroll_ratio, frozen) == pytest.approx(0, abs=0.02)
    assert mean(toy_motion.pan_accuracy, frozen) == 0


def test_half_the_speed_is_half_the_motion() -> None:
    frames = truth(40)
    slow = frames[:, :20].repeat_interleave(2, dim=1)
    assert mean(toy_motion.step_motion, slow) == pytest.approx(mean(toy_motion.step_motion, frames) / 2, rel=0.1)
    assert mean(toy_motion.scroll_ratio, slow) == pytest.approx(0.5, abs=0.07)


def test_wobble_fools_steps_but_not_net_displacement() -> None:
    frames = truth(2)
    wobble = frames[:, [0, 1] * 15]
    assert mean(toy_motion.step_motion, wobble) == pytest.approx(mean(toy_motion.step_motion, frames), rel=0.05)
    assert mean(toy_motion.net_displacement, wobble) == pytest.approx(0, abs=1e-4)
    assert mean(toy_motion.jitter, wobble) > 3 * mean(toy_motion.jitter, truth(30))


def test_teleporting_is_counted_as_jumps() -> None:
    frames = truth(30)
    torn = torch.cat([frames[:, :15], frames[:, 15:].roll(12, dims=-1)], 1)
    assert mean(toy_motion.jumps, frames) == 0
    assert mean(toy_motion.jumps, torn) > 0


def test_panning_backwards_is_not_as_captioned() -> None:
    assert mean(toy_motion.pan_accuracy, truth(30)) == 1
    assert mean(toy_motion.pan_accuracy, truth(30).flip(1)) == 0
    assert mean(toy_motion.scroll_ratio, truth(30).flip(1)) == pytest.approx(-1, abs=0.13)


def test_the_direction_of_a_pan_is_told_from_its_speed() -> None:
    frames = truth(30)
    slow = frames[:, :15].repeat_interleave(2, dim=1)
    assert mean(toy_motion.pan_direction, frames) == 1
    assert mean(toy_motion.pan_direction, frames.flip(1)) == -1
    assert mean(toy_motion.pan_direction, slow) > 0.9
    assert mean(toy_motion.pan_direction, frames[:, :1].expand(-1, 30, -1, -1, -1)) == pytest.approx(0, abs=0.01)
