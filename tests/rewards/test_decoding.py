"""Decoding for rewards: one prompt a sample, and something that decodes."""

import pytest
import torch

from reward_forcing.rewards.decoding import decoded
from tests.rewards.pixels import Pixels

VIDEO = torch.zeros(2, 3, 3, 8, 8)


def test_samples_become_pixels() -> None:
    assert decoded(Pixels(), VIDEO, ["a", "b"], place="rewards.x") is VIDEO


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="rewards.x: 1 prompts for 2 samples"):
        decoded(Pixels(), VIDEO, ["a"], place="rewards.x")
    with pytest.raises(ValueError, match="rewards.x: codec is null; give one, or judge within reward=weighted_sum"):
        decoded(None, VIDEO, ["a", "b"], place="rewards.x")
