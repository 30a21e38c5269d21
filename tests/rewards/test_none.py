"""No reward: zeros, whatever comes."""

import pytest
import torch

from reward_forcing.rewards.none import NoReward


def test_zero_for_everyone() -> None:
    rewards = NoReward()(torch.randn(3, 2, 4, 8, 8), ["a", "b", "c"])
    assert rewards.tolist() == [0, 0, 0]


def test_prompts_are_counted() -> None:
    with pytest.raises(ValueError, match="1 prompts for 3 samples"):
        NoReward()(torch.randn(3, 2, 4, 8, 8), ["a"])
