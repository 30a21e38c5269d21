import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.samples import History
from reward_forcing.losses.strategies.running_mean import RunningMean
from tests.tiny import judged, normal


def test_a_running_mean_takes_offset_and_unit_away() -> None:
    rewards, history = normal(6), History(*torch.tensor([0.5, -4.0, 9.0]))
    weights = RunningMean(beta=2.0, decay=0.9).weights(judged(3 * rewards - 4, history=history))
    assert_close(weights, (2 * rewards).exp())
    first = RunningMean(beta=2.0, decay=0.9).weights(judged(rewards, history=History.start()))
    assert torch.equal(first, torch.ones(6))


def test_it_says_how_fast_it_forgets() -> None:
    assert RunningMean(beta=1.0, decay=0.8).traits.decay == 0.8


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.decay is 1"):
        RunningMean(beta=1.0, decay=1.0)
