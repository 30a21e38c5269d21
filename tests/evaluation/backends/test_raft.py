"""Flow of pairs: padded as VBench does, by torchvision's network or the authors' file, none where frames are small."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from evaluation.backends.raft import opened, padded, strengths, there_and_back, too_small, torchvision_name
from evaluation.functional.flow import MOVING, STILL
from evaluation.signals import Asked
from reward_forcing.rewards.optical_flow import load_raft
from tests.evaluation.backends.small import small_raft, smooth, watched
from tests.evaluation.networks.filling import noise


class Shift(nn.Module):
    """A network to which everything moves by 3 columns and 4 rows, less wherever the later frame is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, before: Tensor, after: Tensor, num_flow_updates: int) -> list[Tensor]:
        flow = torch.tensor([3.0, 4.0])[None, :, None, None] * ((after[:, :1] + 1) / 2)
        return [torch.zeros_like(before[:, :2]), flow * num_flow_updates / 20]


def test_borders_are_repeated_on_both_sides() -> None:
    frames = noise(1, 3, 129, 134)
    whole = padded(frames)
    assert whole.shape == (1, 3, 136, 136)
    torch.testing.assert_close(whole[..., 3:132, 1:135], 2 * frames.float() / 255 - 1)
    assert torch.equal(whole[..., :3, :], whole[..., 3:4, :].expand(-1, -1, 3, -1))
    assert torch.equal(whole[..., 135:], whole[..., 134:135])


def test_a_constant_flow_has_its_length_over_the_threshold() -> None:
    """5 pixels; the threshold is 6 where the shorter side has 256, so 3 of them at 128."""
    white = torch.full((6, 3, 128, 200), 255, dtype=torch.uint8)
    assert strengths(Shift(), MOVING, white, white).tolist() == pytest.approx([5 / 3] * 6)
    assert strengths(Shift(), STILL, white, white, updates=10).tolist() == pytest.approx([2.5 / 1.5] * 6)


def test_flow_is_taken_in_order() -> None:
    bright = torch.arange(0, 250, 50, dtype=torch.uint8)[:, None, None, None].expand(5, 3, 128, 128)
    found = strengths(Shift(), MOVING, bright.flip(0), bright)
    assert found.tolist() == pytest.approx([level / 255 * 5 / 3 for level in range(0, 250, 50)], abs=1e-6)
    ends = torch.stack([bright[:1], bright[4:]], 1)
    there, back = there_and_back(lambda a, b: strengths(Shift(), MOVING, a, b), ends)[0].tolist()
    assert (there, back) == (pytest.approx(200 / 255 * 5 / 3), 0)


def test_small_frames_have_no_flow_and_a_reason() -> None:
    assert strengths(small_raft(), MOVING, noise(2, 3, 120, 200), noise(2, 3, 120, 200)).isnan().all()
    signal = watched("flow", smooth(4, 64, 200), Asked(("a",), 4, 8.0))["flow"]
    assert signal.note == "no optical flow: frames of 64 x 200; RAFT needs 121 on each side"
    assert signal.values.isnan().all()
    assert too_small(121, 2000) == ""


def test_pairs_are_an_eighth_of_a_second_apart() -> None:
    asked = Asked(("a",), 8, 24.0, ((0, 8), (0, 5)))
    video = smooth(8, 128, 136)
    flow = watched("flow", video, asked, size=3)["flow"]
    assert flow.spans is not None
    assert flow.spans.tolist() == [[0, 3], [3, 6]]
    direct = strengths(small_raft(), MOVING, video[0, [0, 3]], video[0, [3, 6]], updates=1)
    torch.testing.assert_close(flow.values[0], direct, rtol=1e-4, atol=1e-5)
    still = watched("stillness", video, asked, size=3)
    assert still["flow_steps"].values.shape == (1, 7)
    direct = strengths(small_raft(), STILL, video[0, [0, 4]], video[0, [4, 0]], updates=1)
    torch.testing.assert_close(still["flow_ends"].exactly(0, 5)[0], direct, rtol=1e-4, atol=1e-5)


def authors_names() -> Iterator[str]:
    """All tensors of `raft-things.pth` but the third normalisations, which it holds twice."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    for net in ("fnet", "cnet"):
        layers = [f"layer{layer}.{block}." for layer in (1, 2, 3) for block in (0, 1)]
        parts = ["conv1", "conv2", *(f"{place}conv{n}" for place in layers for n in (1, 2))]
        parts += ["layer2.0.downsample.0", "layer3.0.downsample.0"]
        yield from (f"{net}.{part}.{kind}" for part in parts for kind in norm[:2])
        norms = ["norm1", *(f"{place}norm{n}" for place in layers for n in (1, 2))]
        norms += ["layer2.0.downsample.1", "layer3.0.downsample.1"]
        yield from (f"cnet.{part}.{kind}" for part in norms for kind in norm if net == "cnet")
    parts = [f"encoder.{name}" for name in ("convc1", "convc2", "convf1", "convf2", "conv")]
    parts += [f"gru.conv{gate}{n}" for gate in "zrq" for n in (1, 2)]
    parts += ["flow_head.conv1", "flow_head.conv2", "mask.0", "mask.2"]
    yield from (f"update_block.{part}.{kind}" for part in parts for kind in norm[:2])


def test_the_authors_file_and_torchvisions_are_one_network(tmp_path: Path) -> None:
    held = load_raft("raft_large", None).state_dict()
    named = {name: held[torchvision_name(name)] for name in authors_names()}
    assert len(named) == len(held)
    torch.save({f"module.{name}": tensor for name, tensor in named.items()}, tmp_path / "raft-things.pth")
    torch.save(held, tmp_path / "raft.pth")
    theirs, ours = (
        opened(tmp_path / name, torch.device("cpu")).state_dict() for name in ("raft-things.pth", "raft.pth")
    )
    assert all(torch.equal(theirs[name], ours[name]) for name in held)


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"module.fnet.conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"raft: .*other.pth does not fit torchvision's raft_large: \d+ missing"):
        opened(tmp_path / "other.pth", torch.device("cpu"))
