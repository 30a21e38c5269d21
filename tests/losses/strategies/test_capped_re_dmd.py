import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reward_forcing.losses.strategies.capped_re_dmd import CappedReDMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests.tiny import judged

REWARDS = st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=8).map(torch.tensor)


@given(rewards=REWARDS)
def test_a_cap_that_allows_all_is_re_dmd(rewards: Tensor) -> None:
    assert torch.equal(
        CappedReDMD(beta=2.0, largest_share=1.0).weights(judged(rewards)), ReDMD(beta=2.0).weights(judged(rewards))
    )


def test_a_sample_far_ahead_gets_its_share_alone() -> None:
    weights = CappedReDMD(beta=1.0, largest_share=0.5).weights(judged(torch.tensor([9.0, 0.0, 0.0, 0.0])))
    assert weights.tolist() == [3.0, 1.0, 1.0, 1.0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.largest_share is 0"):
        CappedReDMD(beta=1.0, largest_share=0.0)
    with pytest.raises(ValueError, match=r"loss\.beta is -1"):
        CappedReDMD(beta=-1.0, largest_share=0.5)
