"""Optical flow: lengths of known flows, and torchvision's RAFT used by hand on random weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models import optical_flow

from reward_forcing.rewards.optical_flow import OpticalFlow, displacement, load_raft, raft_size
from tests.rewards.pixels import Pixels


@pytest.fixture(scope="module")
def judge() -> OpticalFlow:
    return OpticalFlow(Pixels(), model="raft_small", weights=None, pairs=2, batch=2, side=128, updates=1, scale=1000.0)


def videos(batch: int = 1, frames: int = 4, height: int = 128, width: int = 136) -> Tensor:
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


@given(x=st.floats(-9, 9), y=st.floats(-9, 9), zoom=st.sampled_from([1, 2, 5]))
def test_displacement_of_a_known_shift(x: float, y: float, zoom: int) -> None:
    flow = torch.tensor([x, y])[None, :, None, None].expand(1, 2, 30, 40)
    share = (x * x + y * y) ** 0.5 / 50
    assert displacement(flow, 30 * zoom, 40 * zoom).item() == pytest.approx(share, abs=1e-5)


def test_displacement_where_the_aspect_changed() -> None:
    flow = torch.tensor([1.0, 0.0])[None, :, None, None].expand(1, 2, 10, 10)
    assert displacement(flow, 30, 40).item() == pytest.approx(4 / 50)


@given(height=st.integers(16, 1100), width=st.integers(16, 2000), side=st.integers(128, 300))
def test_sizes_suit_raft(height: int, width: int, side: int) -> None:
    rows, columns = raft_size(height, width, side)
    assert rows % 8 == columns % 8 == 0
    assert min(rows, columns) >= 128
    assert abs(min(rows, columns) - side) <= 4


def test_rewards_are_those_of_torchvision_by_hand(judge: OpticalFlow) -> None:
    video = videos(2)
    rewards: list[Any] = []
    with torch.no_grad():
        for clip in video:
            before, after = clip[[0, 2]], clip[[1, 3]]
            flow = judge.raft(before, after, num_flow_updates=1)[-1]
            rewards.append(flow.norm(dim=1).mean() / (128**2 + 136**2) ** 0.5 / 1000)
    torch.testing.assert_close(judge(video, ["a", "b"]), torch.stack(rewards))


def test_rewards_are_bounded_offloaded_and_without_gradient(judge: OpticalFlow) -> None:
    greedy = OpticalFlow(
        Pixels(), model="raft_small", weights=None, pairs=1, side=128, updates=1, scale=1e-9, offload=True
    ).to("cpu")
    reward = greedy(videos(height=40, width=64).requires_grad_(), ["a"])
    assert reward.tolist() == [1]
    assert not reward.requires_grad
    assert judge.label == greedy.label == "raft_small (random)"


def test_weights_come_from_a_file(judge: OpticalFlow, tmp_path: Path) -> None:
    network = optical_flow.raft_small(weights=None)
    torch.save(network.state_dict(), tmp_path / "raft.pth")
    loaded = OpticalFlow(None, model="raft_small", weights=str(tmp_path / "raft.pth"))
    for name, weight in loaded.raft.state_dict().items():
        assert torch.equal(weight, network.state_dict()[name])
    assert loaded.label == "raft_small"
    assert not loaded.raft.training
    first, second = judge.raft.state_dict(), load_raft("raft_small", None).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_errors(judge: OpticalFlow, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": "raft_small", "weights": None}
    with pytest.raises(ValueError, match="rewards.optical_flow: side is 64; it must be at least 128"):
        OpticalFlow(None, **options, side=64)
    with pytest.raises(ValueError, match="scale is 0; it must be positive"):
        OpticalFlow(None, **options, scale=0)
    with pytest.raises(ValueError, match=r"weights is 'no.pth', and there is no such file"):
        OpticalFlow(None, model="raft_small", weights="no.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth does not fit raft_small: \d+ missing"):
        OpticalFlow(None, model="raft_small", weights=str(tmp_path / "other.pth"))
    with pytest.raises(ValueError, match="the video has 1 frame; motion needs at least 2"):
        judge(videos(frames=1), ["a"])
