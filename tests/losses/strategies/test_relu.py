import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.losses.strategies.relu import ReLU
from tests.tiny import judged

REWARDS = st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=8).map(torch.tensor)


@given(rewards=REWARDS, beta=st.floats(0, 4))
def test_it_is_the_line_where_that_is_positive(rewards: Tensor, beta: float) -> None:
    expected = torch.tensor([max(0.0, 1 + beta * reward) for reward in rewards.tolist()])
    assert_close(ReLU(beta=beta).weights(judged(rewards)), expected)
