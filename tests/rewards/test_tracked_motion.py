"""The tracked motion reward: the truth earns about nothing extra, everything worse earns less."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reward_forcing.rewards.tracked_motion import MotionWeights, TrackedMotion
from reward_forcing.toy.render import render
from reward_forcing.toy.world import States, sample, trace
from tests.rewards.pixels import Pixels

SCENES = [sample(21, index) for index in range(32)]
PROMPTS = [scene.caption for scene in SCENES]
MOVING = torch.tensor([prompt.endswith(("pan-slow", "pan-fast", "pan-any")) for prompt in PROMPTS])
STILL = torch.tensor([prompt.endswith("pan-still") for prompt in PROMPTS])
REWARD = TrackedMotion(Pixels())


@pytest.fixture(scope="module")
def states() -> States:
    return trace(SCENES, 0, 21)


@pytest.fixture(scope="module")
def truth(states: States) -> Tensor:
    return REWARD(render(states), PROMPTS)


def test_the_truth_earns_about_nothing(truth: Tensor) -> None:
    assert float(truth.mean()) == pytest.approx(0, abs=0.35)
    assert float(truth.max()) <= 2 * MotionWeights().bonus + 1e-5


def test_a_standing_sprite_earns_less(states: States, truth: Tensor) -> None:
    stuck = replace(states, centre=states.centre[:, :1].expand_as(states.centre))
    slower = truth - REWARD(render(stuck), PROMPTS)
    assert float(slower.min()) > 0.1
    assert float(slower.mean()) > 0.7


def test_a_standing_camera_earns_less_and_only_where_it_should_move(states: States, truth: Tensor) -> None:
    stuck = REWARD(render(replace(states, scroll=states.scroll[:, :1].expand_as(states.scroll))), PROMPTS)
    certain = torch.tensor([prompt.endswith(("pan-slow", "pan-fast")) for prompt in PROMPTS])
    assert bool((stuck < truth - 0.8)[certain].all())
    torch.testing.assert_close(stuck[~MOVING], truth[~MOVING], rtol=0, atol=1e-2)


def test_a_moving_camera_earns_less_where_it_should_stand(states: States, truth: Tensor) -> None:
    moving = states.scroll + torch.arange(21) * 0.5
    assert bool((REWARD(render(replace(states, scroll=moving)), PROMPTS) < truth - 0.9)[STILL].all())


def test_racing_beyond_the_caption_earns_no_more_than_the_bonus(states: States, truth: Tensor) -> None:
    racing = replace(states, scroll=states.scroll + torch.arange(21) * 1.0)
    gain = REWARD(render(racing), PROMPTS) - truth
    assert float(gain[MOVING].max()) <= 1 + MotionWeights().bonus
    certain = torch.tensor([prompt.endswith(("pan-slow", "pan-fast")) for prompt in PROMPTS])
    assert float(gain[certain].max()) <= 0.12 + MotionWeights().bonus


def test_contrast_does_not_pay(states: States, truth: Tensor) -> None:
    middle = states.palette.mean(1, keepdim=True)
    gain = torch.linspace(1, 2, 21)
    frames = [
        render(_frame(replace(states, palette=middle + factor * (states.palette - middle)), at))
        for at, factor in enumerate(gain)
    ]
    assert bool((REWARD(torch.cat(frames, 1), PROMPTS) < truth - 0.05).all())


def test_a_lost_sprite_earns_least(truth: Tensor) -> None:
    rewards = REWARD(torch.zeros(32, 21, 3, 32, 32), PROMPTS)
    assert bool((rewards < truth - 1.5).all())
    assert bool(rewards.isfinite().all())


def test_weights_switch_parts_off(states: States) -> None:
    nothing = TrackedMotion(Pixels(), MotionWeights(sprite=0, pan=0, lost=0, contrast=0, jitter=0))
    assert not nothing(render(states), PROMPTS).any()


def test_no_gradient_flows(states: States) -> None:
    assert not REWARD(render(states).requires_grad_(), PROMPTS).requires_grad


def _frame(states: States, at: int) -> States:
    cut = {name: getattr(states, name)[:, at : at + 1] for name in ("centre", "colour", "shape", "scroll")}
    return replace(states, **cut)
