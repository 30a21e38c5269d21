import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.strategies.advantage import Advantage
from reward_forcing.losses.strategies.dmd import DMD
from tests.tiny import judged, normal


def test_advantage_is_relative_to_the_samples_of_the_prompt() -> None:
    samples = judged(torch.tensor([1.0, 10.0, 3.0, 14.0, 7.0]), prompts=("a", "b", "a", "b", "alone"))
    expected = torch.tensor([-1.0, -2.0, 1.0, 2.0, 0.0])
    assert_close(Advantage(beta=0.5).weights(samples), (0.5 * expected).exp())


def test_advantage_of_equal_samples_is_dmd() -> None:
    samples = judged(torch.tensor([1.0, 5.0, 1.0, 5.0]), prompts=("a", "b", "a", "b"))
    assert torch.equal(Advantage(beta=3.0).weights(samples), DMD().weights(samples))


def test_advantage_is_a_grpo_weight_to_first_order() -> None:
    """`1 + beta adv`, in units of the reward instead of the group's deviation."""
    samples = judged(normal(6))
    centred = samples.rewards - samples.rewards.mean()
    assert_close(Advantage(beta=1e-3).weights(samples), 1 + 1e-3 * centred, atol=1e-5, rtol=0)


def test_advantage_needs_company() -> None:
    with pytest.raises(ValueError, match=r"no prompt of this batch has several: set data\.repeats to 2 or more"):
        Advantage(beta=1.0).weights(judged(normal(3), prompts=("a", "b", "c")))
