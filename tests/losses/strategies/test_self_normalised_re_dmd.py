import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from tests.tiny import judged, normal

rewards = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=6).map(torch.tensor)


@given(beta=st.floats(0, 3), given_rewards=rewards)
def test_weights_are_those_of_re_dmd_over_their_mean(beta: float, given_rewards: torch.Tensor) -> None:
    plain = ReDMD(beta=beta).weights(judged(given_rewards))
    assert_close(
        SelfNormalisedReDMD(beta=beta).weights(judged(given_rewards)), plain / plain.mean(), atol=1e-5, rtol=1e-4
    )


@given(given_rewards=rewards, offset=st.floats(-50, 50))
def test_a_shifted_reward_changes_nothing(given_rewards: torch.Tensor, offset: float) -> None:
    strategy = SelfNormalisedReDMD(beta=2.0)
    assert_close(
        strategy.weights(judged(given_rewards + offset)), strategy.weights(judged(given_rewards)), atol=1e-3, rtol=1e-3
    )


def test_huge_rewards_stay_finite() -> None:
    assert SelfNormalisedReDMD(beta=2.0).weights(judged(normal(4) * 1e4)).isfinite().all()


def test_beta_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"loss\.beta is -1"):
        SelfNormalisedReDMD(beta=-1)
