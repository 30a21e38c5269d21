"""Layer by layer against diffusers', whose modules keep their own memory in a list."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from reward_forcing.codecs.wan_layers import (
    LAYERS,
    Passage,
    Past,
    attended,
    enlarged,
    layers_between,
    pointwise,
    resampled,
    residual,
)
from tests import tiny
from tests.codecs.test_wan_vae import small_codec


def frames(*shape: int, seed: int = 0) -> Tensor:
    return tiny.normal(*(shape or (2, 3, 4, 6, 8)), seed=seed)


def theirs(clip: Tensor) -> Tensor:
    """Ours to diffusers' axes, [batch, channel, frame, height, width]."""
    return clip.permute(0, 4, 1, 2, 3)


def ours(clip: Tensor) -> Tensor:
    return clip.permute(0, 2, 3, 4, 1)


def with_gamma(layer: Any) -> Any:
    """A layer whose norms matter."""
    rng = torch.Generator().manual_seed(0)
    for name, parameter in layer.named_parameters():
        if name.endswith("gamma"):
            parameter.data = 1 + 0.3 * torch.randn(parameter.shape, generator=rng)
    return layer.requires_grad_(requires_grad=False)


def test_a_stream_begins_with_zeros_and_goes_on_with_its_last_frames() -> None:
    first, second = frames(1, 1, 2, 2, 3), frames(1, 3, 2, 2, 3, seed=1)
    passage = Passage(None)
    whole = passage.joined(first)
    assert torch.equal(whole, torch.cat([torch.zeros(1, 2, 2, 2, 3), first], 1))
    later = Passage(passage.past)
    assert torch.equal(later.joined(second), torch.cat([whole[:, 1:], second], 1))
    (kept,) = later.past.features
    assert torch.equal(kept, second[:, 1:])
    assert later.past.bytes == kept.untyped_storage().nbytes(), "a view would keep more alive than it shows"


def test_activation_with_gradients_is_the_one_without() -> None:
    clip, past = frames(), Past((frames(2, 2, 4, 6, 8, seed=1),))
    plain, learning = Passage(past), Passage(past)
    expected = torch.cat([past.features[0], functional.silu(clip)], 1)
    assert_close(plain.activated(clip), expected)
    wanted = learning.activated(clip.clone().requires_grad_())
    assert_close(wanted.detach(), expected)
    assert wanted.requires_grad
    assert_close(plain.past.features[0], learning.past.features[0].detach())


@pytest.mark.parametrize(("inside", "out"), [(8, 8), (8, 12)])
def test_a_residual_block(inside: int, out: int) -> None:
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanResidualBlock

    block, clip = with_gamma(WanResidualBlock(inside, out)), frames()
    expected = ours(block(theirs(clip)))
    assert_close(residual(block, clip, Passage(None)), expected, atol=1e-5, rtol=1e-5)
    start, past = [], None
    for part in clip.split([1, 2], 1):
        passage = Passage(past)
        start.append(residual(block, part, passage))
        past = passage.past
    assert_close(torch.cat(start, 1), expected, atol=1e-5, rtol=1e-5)


def test_an_attention_block() -> None:
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanAttentionBlock

    block, clip = with_gamma(WanAttentionBlock(8)), frames()
    assert_close(attended(block, clip, Passage(None)), ours(block(theirs(clip))), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", ["upsample2d", "upsample3d", "downsample2d", "downsample3d"])
def test_a_resampling_layer_in_a_stream(mode: str) -> None:
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanResample

    layer: Any = WanResample(8, mode).requires_grad_(requires_grad=False)
    later = 2 if mode.startswith("down") else 1
    cache: list[Any] = [None]
    past = None
    for number, count in enumerate((1, later, later)):
        clip, passage = frames(2, count, 4, 6, 8, seed=number), Passage(past)
        expected = ours(layer(theirs(clip), feat_cache=cache, feat_idx=[0]))
        assert_close(resampled(layer, clip, passage), expected, atol=1e-5, rtol=1e-5)
        past = passage.past


def test_pixels_become_squares_and_parts_follow_each_other() -> None:
    parts = frames(2, 3, 2, 4, 6, 8)
    expected = functional.interpolate(parts.flatten(0, 2).permute(0, 3, 1, 2), scale_factor=2, mode="nearest-exact")
    assert torch.equal(enlarged(parts), expected.permute(0, 2, 3, 1).unflatten(0, (2, 6)))


def test_a_convolution_that_sees_one_place_is_a_product() -> None:
    convolution = torch.nn.Conv3d(8, 5, 1).requires_grad_(requires_grad=False)
    assert_close(pointwise(convolution, frames()), ours(convolution(theirs(frames()))), atol=1e-5, rtol=1e-5)


def test_every_layer_of_either_half_is_known() -> None:
    vae = small_codec().vae
    for half, between in ((vae.encoder, 14), (vae.decoder, 18)):
        layers = list(layers_between(half))
        assert len(layers) == between
        assert {type(layer).__name__ for layer in layers} <= set(LAYERS)
        inside = sum(parameter.numel() for layer in layers for parameter in layer.parameters())
        ends = (half.conv_in, half.norm_out, half.conv_out)
        outside = sum(parameter.numel() for layer in ends for parameter in layer.parameters())
        assert inside + outside == sum(parameter.numel() for parameter in half.parameters())
