import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate
from torch.testing import assert_close

from evaluation.networks.amt_layers import (
    Bottleneck,
    Decoder,
    FeatureEncoder,
    Pyramid,
    SideBlock,
    UpdateBlock,
    conv_prelu,
)
from tests import tiny
from tests.evaluation.networks.filling import filled


def rectified(images: Tensor, slopes: Tensor) -> Tensor:
    return torch.where(images >= 0, images, images * slopes[:, None, None])


def test_a_rectifier_of_its_own_for_every_channel() -> None:
    block, images = filled(conv_prelu(2, 3, stride=2)), tiny.normal(1, 2, 6, 8)
    weight, bias, slopes = (block.get_parameter(name) for name in ("0.weight", "0.bias", "1.weight"))
    assert len(set(slopes.tolist())) == 3
    expected = rectified(conv2d(images, weight, bias, stride=2, padding=1), slopes)
    assert_close(block(images), expected)


def test_a_pyramid_halves_again_and_again() -> None:
    pyramid, frames = filled(Pyramid((4, 5, 6, 7))), tiny.normal(2, 3, 32, 48)
    features = pyramid(frames)
    assert [tuple(level.shape) for level in features] == [(2, 4, 16, 24), (2, 5, 8, 12), (2, 6, 4, 6), (2, 7, 2, 3)]
    assert torch.equal(features[2], pyramid.get_submodule("pyramid3")(features[1]))


def test_features_of_two_frames_come_back_apart() -> None:
    encoder = filled(FeatureEncoder((8, 12, 16), 5))
    first, second = tiny.normal(2, 3, 32, 48, seed=1), tiny.normal(2, 3, 32, 48, seed=2)
    one, other = encoder(first, second)
    assert one.shape == other.shape == (2, 5, 4, 6)
    for both, alone in zip(encoder(second, first), (other, one), strict=True):
        assert_close(both, alone)


def test_features_do_not_see_brightness_and_contrast() -> None:
    """Every convolution of the encoder's stem is followed by a normalisation over the image."""
    encoder = filled(FeatureEncoder((8, 12, 16), 5))
    with torch.no_grad():
        encoder.conv1.weight -= encoder.conv1.weight.mean((1, 2, 3), keepdim=True)
    frames = tiny.normal(1, 3, 32, 32)
    plain, strong = encoder(frames, 3 * frames)
    assert_close(plain, strong, atol=1e-3, rtol=0)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck_adds_to_what_goes_by(stride: int) -> None:
    block, images = filled(Bottleneck(8, 8, stride), std=0.0), tiny.normal(1, 8, 6, 6)
    expected = torch.zeros(1, 8, 3, 3) if stride == 2 else images.relu()
    assert_close(block(images), expected)


def test_a_decoder_doubles() -> None:
    decoder, images = filled(Decoder(5, 8, 3, 2)), tiny.normal(2, 5, 4, 6)
    features = decoder(images)
    assert features.shape == (2, 3, 8, 12)
    enlarge = decoder.convblock[2]
    assert isinstance(enlarge, nn.ConvTranspose2d)
    assert_close(features, enlarge(decoder.convblock[1](decoder.convblock[0](images))))


def test_only_the_last_channels_are_refined_on_their_own() -> None:
    block, images = filled(SideBlock(6, 2), std=0.3), tiny.normal(1, 6, 5, 5)
    inner = block.conv1(images)
    inner = block.conv3(torch.cat([inner[:, :4], block.conv2(inner[:, 4:])], 1))
    inner = torch.cat([inner[:, :4], block.conv4(inner[:, 4:])], 1)
    assert_close(block(images), rectified(images + block.conv5(inner), block.prelu.weight))


def update(reduction: int) -> UpdateBlock:
    block = UpdateBlock(4, reduction=reduction, views=6, seen=5, moved=3, joined=7, hidden=8)
    return filled(block, std=0.2)


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_updates_have_the_size_of_the_feature(reduction: int) -> None:
    feature, flows = tiny.normal(1, 4, 8, 16), tiny.normal(1, 4, 8 // reduction, 16 // reduction)
    more_feature, more_flows = update(reduction)(feature, flows, tiny.normal(1, 6, *flows.shape[2:]))
    assert more_feature.shape == feature.shape
    assert more_flows.shape == (1, 4, 8, 16)


def test_an_update_of_a_reduced_feature_is_that_of_the_small_one_enlarged() -> None:
    """Flows grow with the picture; features do not."""
    small, large = update(1), update(2)
    feature, flows, views = tiny.normal(1, 4, 8, 16), tiny.normal(1, 4, 4, 8), tiny.normal(1, 6, 4, 8)
    halved = interpolate(feature, scale_factor=0.5, mode="bilinear")
    expected = [interpolate(part, scale_factor=2.0, mode="bilinear") for part in small(halved, flows, views)]
    found = large(feature, flows, views)
    assert_close(found[0], expected[0])
    assert_close(found[1], 2 * expected[1])


def test_an_update_looks_at_all_it_is_given() -> None:
    given = [tiny.normal(1, 4, 4, 8), tiny.normal(1, 4, 4, 8), tiny.normal(1, 6, 4, 8)]
    plain = update(1)(*given)
    for place in range(3):
        changed = update(1)(*[part + (number == place) for number, part in enumerate(given)])
        assert all(not torch.allclose(now, before) for now, before in zip(changed, plain, strict=True))
