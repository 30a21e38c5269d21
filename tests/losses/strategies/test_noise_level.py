import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.strategies.noise_level import NoiseLevel
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests.tiny import judged, normal


def test_noise_levels_weigh_the_reward() -> None:
    rewards, sigma = normal(4), torch.tensor([0.0, 0.5, 0.9, 1.0])
    weights = NoiseLevel(beta=2.0, power=3.0).weights(judged(rewards, sigma=sigma))
    assert_close(weights, 1 + ((2 * rewards).exp() - 1) * sigma * sigma * sigma)
    flat = NoiseLevel(beta=2.0, power=0.0).weights(judged(rewards, sigma=sigma))
    assert_close(flat, ReDMD(beta=2.0).weights(judged(rewards)))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.power is -1"):
        NoiseLevel(beta=1.0, power=-1.0)
