import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.losses.strategies.rank import Rank
from tests.tiny import judged

REWARDS = st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=8).map(torch.tensor)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, [0, 4, 0, 0]), (0.5, [0, 2, 0, 2]), (1.0, [1, 1, 1, 1]), (0.01, [0, 4, 0, 0])],
)
def test_rank_keeps_the_best(share: float, expected: list[float]) -> None:
    assert Rank(share=share).weights(judged(torch.tensor([-9.0, 0.4, 0.2, 0.3]))).tolist() == expected


def test_equal_ranks_share_what_is_left() -> None:
    weights = Rank(share=0.5).weights(judged(torch.tensor([1.0, 0.0, 0.0, -1.0])))
    assert weights.tolist() == [2, 1, 1, 0]


@given(rewards=REWARDS)
def test_rank_knows_the_order_alone(rewards: Tensor) -> None:
    loss = Rank(share=0.4)
    assert torch.equal(loss.weights(judged(rewards)), loss.weights(judged(rewards * 8)))
    assert_close(loss.weights(judged(rewards)).mean(), torch.tensor(1.0))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.share is 2"):
        Rank(share=2.0)
