"""Frame difference: exact on a known change, bounded, without gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.rewards.frame_difference import FrameDifference
from tests.rewards.pixels import Pixels


@given(st.floats(0, 0.3), st.floats(0.05, 0.5))
def test_reward_of_a_known_change(step: float, scale: float) -> None:
    video = (torch.arange(4) * step)[None, :, None, None, None].expand(2, 4, 3, 8, 8)
    rewards = FrameDifference(Pixels(), scale)(video, ["a", "b"])
    assert rewards.tolist() == pytest.approx([min(step / scale, 1)] * 2, abs=1e-5)


def test_no_gradient_flows() -> None:
    video = torch.randn(1, 3, 3, 8, 8, requires_grad=True)
    assert not FrameDifference(Pixels())(video, ["a"]).requires_grad


def test_errors() -> None:
    with pytest.raises(ValueError, match="scale is 0; it must be positive"):
        FrameDifference(Pixels(), 0)
    with pytest.raises(ValueError, match="2 prompts for 1 samples"):
        FrameDifference(Pixels())(torch.zeros(1, 3, 3, 8, 8), ["a", "b"])
