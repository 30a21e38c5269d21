"""Relative to the truth, the truth is 1 or 0 on average over captions, in both worlds, and damage is in proportion."""

from collections.abc import Callable

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.baselines import truth
from evaluation.evidence import Evidence, look
from evaluation.metrics import toy_truth
from reward_forcing.videos import to_float, to_uint8

PROMPTS = tuple(
    f"{colour} {shape} {speed} {pan}"
    for colour, shape in (("red", "circle"), ("cyan", "triangle"), ("blue", "cross"))
    for speed in ("slow", "medium", "fast", "any")
    for pan in ("pan-still", "pan-slow", "pan-fast", "plain")
)


def of(metric: Callable[[Evidence], Float[Tensor, "clip *frame"]], evidence: Evidence) -> float:
    return float(metric(evidence).nanmean())


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.stack([truth(prompt, 3, 48) for prompt in PROMPTS])


@pytest.fixture(scope="module")
def true(frames: Tensor) -> Evidence:
    return look(frames, PROMPTS)


@pytest.mark.parametrize(
    ("metric", "target", "spread"),
    [("motion_ratio", 1, 0.08), ("jitter_ratio", 1, 0.2), ("relapse_excess", 0, 0.08)],
)
def test_the_truth_has_the_target_on_average(true: Evidence, metric: str, target: float, spread: float) -> None:
    assert of(getattr(toy_truth, metric), true) == pytest.approx(target, abs=spread)


def test_half_the_speed_is_about_half_the_motion(frames: Tensor, true: Evidence) -> None:
    slow = look(frames[:, :24].repeat_interleave(2, 1), PROMPTS)
    assert of(toy_truth.motion_ratio, slow) == pytest.approx(0.55, abs=0.1)
    assert of(toy_truth.motion_ratio, look(frames[:, :1].expand(-1, 48, -1, -1, -1), PROMPTS)) == pytest.approx(
        0, abs=1e-4
    )
    assert of(toy_truth.state_frechet, slow) != pytest.approx(of(toy_truth.state_frechet, true), rel=0.01)


def test_wobble_is_rough_but_does_not_move(frames: Tensor) -> None:
    wobble = look(frames[:, [0, 1] * 24], PROMPTS)
    assert of(toy_truth.jitter_ratio, wobble) > 5
    assert of(toy_truth.motion_ratio, wobble) == pytest.approx(0, abs=1e-4)


def test_starting_again_relapses_beyond_the_truth_and_a_still_below(frames: Tensor) -> None:
    again = look(frames[:, [*range(12)] * 4], PROMPTS)
    assert of(toy_truth.relapse_excess, again) > 0.4
    assert of(toy_truth.relapse_excess, look(frames[:, :1].expand(-1, 48, -1, -1, -1), PROMPTS)) < -0.2


def test_states_of_the_truth_are_nearest_to_the_truths(frames: Tensor, true: Evidence) -> None:
    own = of(toy_truth.state_frechet, true)
    frozen = look(frames[:, :1].expand(-1, 48, -1, -1, -1), PROMPTS)
    shaken = look(
        torch.stack([clip[torch.randperm(48, generator=torch.Generator().manual_seed(0))] for clip in frames]), PROMPTS
    )
    assert 0 < own < 3.5
    assert of(toy_truth.state_frechet, frozen) > 1.5 * own
    assert of(toy_truth.state_frechet, shaken) > 5 * own


def test_without_a_sprite_there_is_nothing_to_relate(frames: Tensor) -> None:
    gone = to_float(frames[:2])
    gone[:, 5:] = 0
    evidence = look(to_uint8(gone), PROMPTS[:2])
    assert toy_truth.motion_ratio(evidence).isnan().all()
    assert toy_truth.state_frechet(evidence).isnan().all()
