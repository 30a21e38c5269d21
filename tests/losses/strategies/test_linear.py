import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.losses.strategies.linear import Linear
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests.tiny import judged, normal

REWARDS = st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=8).map(torch.tensor)


@given(rewards=REWARDS, beta=st.floats(0, 4))
def test_it_is_a_line(rewards: Tensor, beta: float) -> None:
    expected = torch.tensor([1 + beta * reward for reward in rewards.tolist()])
    assert_close(Linear(beta=beta).weights(judged(rewards)), expected)


def test_it_is_re_dmd_to_first_order() -> None:
    samples = judged(normal(5))
    assert_close(Linear(beta=1e-3).weights(samples), ReDMD(beta=1e-3).weights(samples), atol=1e-5, rtol=0)
