"""What must hold for every reward under configs/reward: a new one is tested before its author writes a test."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.rewards.protocols import RewardModel
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace

NETWORKS = {"clip", "optical_flow", "video_align"}
"""Large networks judge; `tests/rewards` makes them small."""

NAMES = sorted(set(options("reward")) - NETWORKS)
CAPTIONS = ("red circle fast pan-slow", "blue cross slow pan-fast", "green triangle medium pan-still")
CODEC = build(compose(), "codec")


@pytest.fixture(params=NAMES, scope="module")
def reward(request: pytest.FixtureRequest) -> RewardModel:
    built = build(compose([f"reward={request.param}"]), "reward")
    assert isinstance(built, RewardModel)
    return built


@pytest.fixture(scope="module")
def clean() -> Tensor:
    """True videos of the toy world, in latents."""
    scenes = [sample(5, index, caption=caption) for index, caption in enumerate(CAPTIONS)]
    latents: Tensor = CODEC.encode(render(trace(scenes, 0, 21)))
    return latents


def judge(reward: RewardModel, clean: Tensor, prompts: Sequence[str] = CAPTIONS) -> Tensor:
    return reward(clean, prompts)


def test_there_is_one_finite_number_a_sample(reward: RewardModel, clean: Tensor) -> None:
    for samples in (clean, torch.zeros_like(clean), torch.randn(clean.shape, generator=torch.Generator())):
        rewards = judge(reward, samples)
        assert rewards.shape == (len(CAPTIONS),)
        assert rewards.isfinite().all()


def test_it_is_the_same_again_and_leaves_samples_alone(reward: RewardModel, clean: Tensor) -> None:
    before = clean.clone()
    assert torch.equal(judge(reward, clean), judge(reward, clean))
    assert torch.equal(clean, before)


def test_a_sample_is_judged_alone_and_in_any_order(reward: RewardModel, clean: Tensor) -> None:
    together = judge(reward, clean)
    alone = [judge(reward, clean[index : index + 1], [caption]) for index, caption in enumerate(CAPTIONS)]
    assert_close(torch.cat(alone), together, atol=1e-4, rtol=1e-4)
    assert_close(judge(reward, clean.flip(0), CAPTIONS[::-1]), together.flip(0), atol=1e-4, rtol=1e-4)


def test_no_gradient_leaves_it(reward: RewardModel, clean: Tensor) -> None:
    assert not judge(reward, clean.clone().requires_grad_()).requires_grad


def test_every_sample_needs_a_prompt(reward: RewardModel, clean: Tensor) -> None:
    with pytest.raises(ValueError, match="2 prompts for 3 samples; one a sample is needed"):
        judge(reward, clean, CAPTIONS[:2])


def test_it_goes_where_the_student_is(reward: RewardModel, clean: Tensor) -> None:
    moved = reward.to("cpu")
    assert isinstance(moved, RewardModel)
    assert torch.equal(judge(moved, clean), judge(reward, clean))
