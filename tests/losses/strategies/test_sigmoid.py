import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.sigmoid import Sigmoid
from tests.tiny import judged

REWARDS = st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=8).map(torch.tensor)


@given(rewards=REWARDS, beta=st.floats(0, 4))
def test_it_is_twice_the_logistic_function(rewards: Tensor, beta: float) -> None:
    expected = torch.tensor([2 / (1 + math.exp(-beta * reward)) for reward in rewards.tolist()])
    assert_close(Sigmoid(beta=beta).weights(judged(rewards)), expected)


def test_bad_samples_count_as_twice_under_re_dmd_and_good_ones_at_most_two() -> None:
    bad, good = judged(torch.tensor([-9.0])), judged(torch.tensor([9.0]))
    assert_close(Sigmoid(beta=2.0).weights(bad), 2 * ReDMD(beta=2.0).weights(bad))
    assert_close(Sigmoid(beta=2.0).weights(good), torch.tensor([2.0]))
