from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from evaluation.networks.amt import Amt, interpolated, load_amt, padding
from tests import tiny
from tests.evaluation.networks.filling import digest, filled, noise, on_meta, parameters

SMALL: dict[str, Any] = {
    "context": (4, 5, 6, 7), "stem": (8, 8, 8), "features": 6, "radius": 1, "levels": 2, "side": 2, "seen": 5,
    "moved": 3, "joined": 6, "hidden": 7,
}  # fmt: skip


def small() -> Amt:
    return filled(Amt(**SMALL), seed=1, std=0.06)


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tiny.normal(*shape, seed=1).sigmoid(), tiny.normal(*shape, seed=2).sigmoid()


def test_names_and_shapes_are_the_published_ones() -> None:
    """The digest is that of the authors' model, in VBench 0.1.5's copy."""
    network = on_meta(Amt)
    assert parameters(network) == 2_990_543
    assert digest(network.state_dict()) == "7f09541af1b23dad"


def test_it_loads_what_was_saved(tmp_path: Path) -> None:
    torch.save({"state_dict": small().state_dict(), "epoch": 300}, tmp_path / "amt-s.pth")
    first, second = pair(1, 3, 32, 48)
    assert torch.equal(load_amt(tmp_path / "amt-s.pth", **SMALL)(first, second), small()(first, second))


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": small().state_dict()}, tmp_path / "amt-s.pth")
    with pytest.raises(ValueError, match=r"amt: .*amt-s.pth does not fit Amt: \d+ misshaped, first feat_encoder.conv1"):
        load_amt(tmp_path / "amt-s.pth")


def test_golden() -> None:
    """The reference gave these pixels, and its mean levels are within 1e-3 of these."""
    between = interpolated(filled(Amt(), std=0.03), noise(3, 3, 130, 140))
    assert between[:, 0, 60, 60:65].tolist() == [[181, 120, 134, 115, 87], [116, 113, 170, 162, 126]]
    assert between.float().mean((1, 2, 3)).tolist() == pytest.approx([124.2829, 124.0173], abs=1e-3)


def test_pairs_side_by_side_do_not_meet() -> None:
    network, (first, second) = small(), pair(3, 3, 32, 48)
    together = network(first, second)
    alone = torch.cat([network(first[n : n + 1], second[n : n + 1]) for n in range(3)])
    assert together.shape == (3, 3, 32, 48)
    assert_close(together, alone, atol=1e-5, rtol=0)


def test_every_parameter_matters() -> None:
    """But for biases that a normalisation takes away again."""
    network, (first, second) = small().requires_grad_(), pair(1, 3, 64, 96)
    network(first, second).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert all(name.startswith("feat_encoder") and name.endswith("bias") for name in silent)


def test_without_weights_it_is_the_mean_of_both_frames() -> None:
    """All flows are zero, all shares a half, nothing is added."""
    network, (first, second) = filled(Amt(**SMALL), std=0.0), pair(2, 3, 32, 32)
    assert_close(network(first, second), (first + second) / 2)


def test_fields_take_their_own_ways_and_shares() -> None:
    """A last decoder that only has a bias: constant flows, shares and additions of each field."""
    network, (first, second) = filled(Amt(**SMALL), std=0.0), pair(1, 3, 32, 32)
    bias = network.get_parameter("decoder1.convblock.2.bias")
    share = torch.tensor([0.0, 1.0, -2.0])
    with torch.no_grad():
        bias[:6] = torch.tensor([3.0, 0, 0, 0, 0, 0])  # towards the first frame: the first field three columns on
        bias[6:12] = torch.tensor([0.0, 0, 0, 0, 0, -2])  # towards the second: the last field two rows back
        bias[12:15] = share
        bias[15:] = torch.tensor([0.0, 0, 0, 0, 0.1, 0, 0, 0, 0])  # green of the middle field
    mask = share.sigmoid()
    on = torch.cat([first[..., 3:], first[..., -1:].expand(-1, -1, -1, 3)], -1)
    back = torch.cat([second[..., :1, :].expand(-1, -1, 2, -1), second[..., :-2, :]], -2)
    fields = [mask[0] * on + (1 - mask[0]) * second, mask[1] * first + (1 - mask[1]) * second]
    fields[1][:, 1] += 0.1
    fields.append(mask[2] * first + (1 - mask[2]) * back)
    assert_close(network(first, second), torch.stack(fields).mean(0).clamp(0, 1), atol=1e-5, rtol=0)


def test_scale_matters_only_where_motion_is_looked_for() -> None:
    """Constant flows are measured in small pixels: at half the scale the same bias moves twice as far."""
    network, (first, second) = filled(Amt(**SMALL), std=0.0), pair(1, 3, 64, 64)
    bias = network.get_parameter("decoder1.convblock.2.bias")
    with torch.no_grad():
        bias[12:15], bias[[0, 2, 4]] = 20.0, 1.5
    found = network(first, second, scale=0.5)
    assert_close(found[..., :-3], first[..., 3:], atol=1e-4, rtol=0)


def test_the_moment_reaches_the_network() -> None:
    network, (first, second) = small(), pair(1, 3, 32, 32)
    assert not torch.allclose(network(first, second, time=0.25), network(first, second, time=0.75))


def test_frames_between_are_cut_back_to_size() -> None:
    frames, network = noise(4, 3, 37, 50), small()
    between = interpolated(network, frames, batch=2)
    assert between.shape == (3, 3, 37, 50)
    left, right, top, bottom = padding(37, 50, 16)
    rows = torch.arange(-top, 37 + bottom).clamp(0, 36)
    columns = torch.arange(-left, 50 + right).clamp(0, 49)
    padded = frames[:, :, rows][..., columns].float() / 255
    whole = network(padded[1:2], padded[2:3])[0, :, top : top + 37, left : left + 50]
    assert (between[1].float() - (whole * 255).floor()).abs().max() <= 1
    assert (between[1].float() != (whole * 255).floor()).float().mean() < 0.01
    assert torch.equal(between, interpolated(network, frames, batch=2))


def test_one_frame_has_nothing_after_it() -> None:
    assert interpolated(small(), noise(1, 3, 32, 40)).shape == (0, 3, 32, 40)


def test_a_still_video_needs_both_frames_alike() -> None:
    """With nothing to look for, the frame between equals its neighbours, but for cutting to levels."""
    still = noise(1, 3, 32, 32).expand(3, -1, -1, -1)
    between = interpolated(filled(Amt(**SMALL), std=0.0), still)
    assert (between.int() - still[:2].int()).abs().max() <= 1


@pytest.mark.parametrize("multiple", [16, 20])
@pytest.mark.parametrize(("height", "width"), [(16, 33), (47, 160), (1, 1)])
def test_padding_reaches_the_next_multiple(height: int, width: int, multiple: int) -> None:
    left, right, top, bottom = padding(height, width, multiple)
    assert 0 <= right - left <= 1
    assert 0 <= bottom - top <= 1
    assert (left + width + right) % multiple == (top + height + bottom) % multiple == 0
    assert left + right < multiple > top + bottom


def test_smaller_scales_pad_further() -> None:
    between = interpolated(small(), noise(2, 3, 41, 59), scale=16 / 20)
    assert between.shape == (1, 3, 41, 59)


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.7, 1.5])
def test_scales_that_do_not_fit(scale: float) -> None:
    with pytest.raises(ValueError, match=f"amt: scale is {scale}; it must be 16 / n for a whole n of at least 16"):
        interpolated(small(), noise(2, 3, 32, 32), scale=scale)


def test_frames_too_small_for_the_coarsest_correlations() -> None:
    assert on_meta(Amt).shortest == 128
    with pytest.raises(ValueError, match="amt: frames are 16 x 64 at scale 1.0; both sides must be at least 32"):
        interpolated(small(), noise(2, 3, 16, 64))


def test_the_public_sizes_fit_together() -> None:
    frames = torch.empty(1, 3, 480, 832, device="meta")
    assert on_meta(Amt)(frames, frames).shape == frames.shape


def test_updates_correct_flows_on_the_way() -> None:
    """Everything silent but the biases of the updates' flows: what they add up to at full size moves the frames.

    Three columns at 1/8, one more at 1/4 and at 1/2 make ((3 * 2 + 2 * 1) * 2 + 4 * 1) * 2 = 40 at full size.
    """
    network, (first, second) = filled(Amt(**SMALL), std=0.0), pair(1, 3, 64, 96)
    bias = network.get_parameter("decoder1.convblock.2.bias")
    with torch.no_grad():
        bias[12:15] = 20.0
        for name, columns in (("update4", 3.0), ("update3", 1.0), ("update2", 1.0)):
            network.get_parameter(f"{name}.flow_head.2.bias")[0] = columns
    found = network(first, second)
    assert_close(found[..., :56], first[..., 40:], atol=1e-4, rtol=0)


def test_it_follows_the_precision_of_its_weights() -> None:
    first, second = pair(1, 3, 32, 48)
    double = small().double()(first.double(), second.double())
    assert double.dtype == torch.float64
    assert_close(small()(first, second).double(), double, atol=1e-4, rtol=0)


def test_nothing_is_random() -> None:
    network, frames = small(), noise(3, 3, 32, 48)
    before = torch.get_rng_state()
    assert torch.equal(interpolated(network, frames), interpolated(network, frames))
    assert torch.equal(torch.get_rng_state(), before)
