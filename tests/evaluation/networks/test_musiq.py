from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import conv2d, interpolate
from torch.testing import assert_close

from evaluation.networks.musiq import (
    Block,
    Bottleneck,
    Encoder,
    Musiq,
    StandardConv,
    hashed_places,
    imaging_scores,
    load_musiq,
    patches_of,
    prepared,
    same_padding,
    view_size,
)
from tests import tiny
from tests.evaluation.networks.filling import digest, filled, noise, on_meta, parameters

SMALL: dict[str, Any] = {
    "patch": 8, "channels": 32, "dim": 12, "mlp_dim": 16, "heads": 2, "layers": 2, "grid": 4, "longer_sides": (24, 40)
}  # fmt: skip


def small() -> Musiq:
    return filled(Musiq(**SMALL), std=0.2)


def test_names_and_shapes_are_the_published_ones() -> None:
    """The digest is that of pyiqa 0.1.10's model."""
    network = on_meta(Musiq)
    assert parameters(network) == 27_125_825
    assert digest(network.state_dict()) == "c71a0567b8f6bfe7"


def test_golden() -> None:
    """The reference, with VBench's preprocessing, gave the same to 3e-7."""
    network = filled(Musiq(dim=12, mlp_dim=16, heads=2, layers=2), std=0.2)
    scores = imaging_scores(network, noise(2, 3, 300, 600))
    assert scores.tolist() == pytest.approx([-0.471599, -0.442718], abs=1e-5)


def test_it_loads_what_was_saved(tmp_path: Path) -> None:
    torch.save(small().state_dict(), tmp_path / "musiq.pth")
    frames = noise(2, 3, 30, 50)
    assert torch.equal(
        imaging_scores(load_musiq(tmp_path / "musiq.pth", **SMALL), frames), imaging_scores(small(), frames)
    )


def test_another_network_is_refused(tmp_path: Path) -> None:
    held = {name: tensor for name, tensor in small().state_dict().items() if "encoderblock_1" not in name}
    torch.save(held, tmp_path / "musiq.pth")
    with pytest.raises(ValueError, match=r"musiq: .* 16 missing, first transformer_encoder.transformer.encoderblock_1"):
        load_musiq(tmp_path / "musiq.pth", **SMALL)


def test_frames_do_not_see_each_other() -> None:
    frames = noise(5, 3, 30, 50)
    scores = imaging_scores(small(), frames, batch=2)
    assert scores.shape == (5,)
    assert_close(scores, torch.cat([imaging_scores(small(), frame[None]) for frame in frames]))
    assert_close(imaging_scores(small(), frames.flip(0)), scores.flip(0))


def test_every_parameter_matters() -> None:
    network = small().requires_grad_()
    network(prepared(noise(2, 3, 40, 56))).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_padding_with_masked_patches_changes_nothing() -> None:
    """The reference appends patches that no other may look at; here attention gets them as keys of weight zero."""
    block, tokens = filled(Block(12, 16, 2)), tiny.normal(2, 5, 12)
    more = torch.cat([tokens, torch.zeros(2, 3, 12)], 1)
    normed = block.norm1(more)
    query, key, value = (
        block.attention[name](normed).unflatten(-1, (2, 6)).transpose(1, 2) for name in ("query", "key", "value")
    )
    logits = query @ key.transpose(-1, -2) / 6**0.5
    logits[..., 5:] = -1e3
    seen = (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)
    middle = more + block.attention["out"](seen)
    expected = middle + block.mlp["fc2"](torch.nn.functional.gelu(block.mlp["fc1"](block.norm2(middle))))
    assert_close(block(tokens), expected[:, :5])


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (480, 832, (295, 512)),
        (832, 480, (512, 295)),
        (512, 300, (512, 300)),
        (64, 32, (64, 32)),
        (720, 1280, (288, 512)),
    ],
)
def test_only_large_frames_are_shrunk(height: int, width: int, size: tuple[int, int]) -> None:
    frames = noise(1, 3, height, width)
    pixels = prepared(frames)
    assert pixels.shape[-2:] == size
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    if size == (height, width):
        assert torch.equal(pixels, frames.float() / 255)


def test_shrinking_is_bilinear_without_antialias() -> None:
    """At half the size each pixel is the mean of 2 x 2, not of a wider neighbourhood."""
    frames = noise(1, 3, 512, 1024)
    means = frames.float().unflatten(-1, (512, 2)).unflatten(-3, (256, 2)).mean((-1, -3))
    assert_close(prepared(frames) * 255, means)


@pytest.mark.parametrize(
    ("height", "width", "side", "size"), [(288, 512, 224, (126, 224)), (500, 333, 384, (384, 256))]
)
def test_views_keep_the_aspect(height: int, width: int, side: int, size: tuple[int, int]) -> None:
    assert view_size(height, width, side) == size


def test_halves_are_rounded_to_even_rows() -> None:
    """125 x 250 at 5 has 2.5 rows: Python's rounding, as in the reference."""
    assert view_size(125, 250, 5) == (2, 5)
    assert view_size(175, 250, 5) == (4, 5)


def test_frames_without_a_view() -> None:
    with pytest.raises(
        ValueError, match="musiq: frames of 1 x 512 have no pixels left at 224; allowed: up to 447 times"
    ):
        view_size(1, 512, 224)
    assert view_size(1, 447, 224) == (1, 224)


@given(length=st.integers(1, 70), kernel=st.integers(1, 9), stride=st.integers(1, 9))
def test_same_padding_gives_as_many_as_strides_fit(length: int, kernel: int, stride: int) -> None:
    before, after = same_padding(length, kernel, stride)
    assert 0 <= after - before <= 1
    whole = length + before + after
    assert (whole - kernel) // stride + 1 >= -(-length // stride)
    if before + after:
        assert (whole - kernel) // stride + 1 == -(-length // stride)
        assert (whole - kernel) % stride == 0


def test_patches_are_squares_row_by_row() -> None:
    images = tiny.normal(2, 3, 6, 11)
    patches = patches_of(images, 4)
    assert patches.shape == (2, 6, 3, 4, 4)
    assert torch.equal(patches[:, 1, :, 1:, :], images[:, :, :3, 4:8])
    assert torch.equal(patches[:, 3, :, :3, :], images[:, :, 3:6, :4])
    assert torch.equal(patches[:, 5, :, :3, :3], images[:, :, 3:, 8:])
    assert not patches[:, :3, :, 0].any()
    assert not patches[:, 2, :, :, 3].any()


@given(rows=st.integers(1, 60), columns=st.integers(1, 60), grid=st.integers(1, 12))
def test_places_are_those_of_nearest_resizing(rows: int, columns: int, grid: int) -> None:
    table = torch.arange(grid**2).float().view(1, 1, grid, grid)
    expected = interpolate(table, (rows, columns), mode="nearest").flatten().long()
    assert torch.equal(hashed_places(rows, columns, grid), expected)


def test_all_views_have_their_places_and_scales() -> None:
    """60 x 80 has views of 18 x 24, 30 x 40 and 60 x 80: 3 x 3, 4 x 5 and 8 x 10 patches of 8."""
    network = small()
    places = network.places(60, 80)
    counts = [(3, 3), (4, 5), (8, 10)]
    assert torch.equal(places, torch.cat([hashed_places(*count, 4) for count in counts]))
    views = network.views(torch.zeros(1, 3, 60, 80))
    assert [tuple(view.shape[-2:]) for view in views] == [(18, 24), (30, 40), (60, 80)]
    assert [patches_of(view, 8).shape[1] for view in views] == [9, 20, 80]


def test_kernels_are_standardised() -> None:
    conv, images = filled(StandardConv(3, 4, 3, stride=2)), tiny.normal(1, 3, 6, 6)
    weight = conv.weight - conv.weight.mean((1, 2, 3), keepdim=True)
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) / 26).sqrt()
    padded = torch.nn.functional.pad(images, (0, 1, 0, 1))
    assert_close(conv(images), conv2d(padded, weight, stride=2), atol=1e-2, rtol=1e-3)
    with torch.no_grad():
        before = conv(images)
        conv.weight.mul_(7).add_(3)
    assert_close(conv(images), before, atol=1e-2, rtol=1e-3)


def test_a_bottleneck_projects_what_goes_by() -> None:
    block, images = filled(Bottleneck(32)), tiny.normal(1, 32, 4, 4)
    inner = block.gn1(block.conv1(images)).relu()
    inner = block.gn2(block.conv2(inner)).relu()
    expected = (block.gn3(block.conv3(inner)) + block.gn_proj(block.conv_proj(images))).relu()
    assert block(images).shape == (1, 128, 4, 4)
    assert_close(block(images), expected)


def test_the_order_of_patches_does_not_matter_but_their_places_do() -> None:
    encoder = filled(Encoder(12, 16, 2, layers=2, places=16, scales=3), std=0.3)
    tokens, places, scales = tiny.normal(1, 5, 12), torch.tensor([0, 3, 5, 5, 9]), torch.tensor([0, 0, 1, 2, 2])
    order = torch.tensor([4, 0, 3, 1, 2])
    plain = encoder(tokens, places, scales)
    assert_close(encoder(tokens[:, order], places[order], scales[order]), plain)
    assert not torch.allclose(encoder(tokens, places.flip(0), scales), plain)
    assert not torch.allclose(encoder(tokens, places, scales.flip(0)), plain)


def test_the_public_sizes_fit_together() -> None:
    network = on_meta(Musiq)
    assert network(torch.empty(2, 3, 295, 512, device="meta")).shape == (2,)
    assert network.places(295, 512).shape == (5 * 7 + 7 * 12 + 10 * 16,)


def test_it_follows_the_precision_of_its_weights() -> None:
    frames = prepared(noise(2, 3, 40, 56))
    double = small().double()(frames.double())
    assert double.dtype == torch.float64
    assert_close(small()(frames).double(), double, atol=1e-5, rtol=1e-5)


def test_nothing_is_random_and_nothing_is_left_behind() -> None:
    network, frames = small(), noise(3, 3, 40, 56)
    before = torch.get_rng_state()
    first = imaging_scores(network, frames)
    imaging_scores(network, noise(1, 3, 60, 20))
    assert torch.equal(imaging_scores(network, frames), first)
    assert torch.equal(torch.get_rng_state(), before)
