"""Preparation of frames against torchvision's transforms, which VBench composes."""

import warnings

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.functional import center_crop, resize

from evaluation.backends.frames import centre, resized, resized_by_pillow, standardised
from evaluation.networks.frames import CLIP, IMAGENET
from tests.evaluation.networks.filling import noise

SIZES = pytest.mark.parametrize("size", [(48, 83), (83, 48), (22, 22), (30, 31), (9, 14)])


@SIZES
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_tensors_are_resized_as_torchvision_does(size: tuple[int, int], mode: str, antialias: bool) -> None:
    frames = noise(2, 3, *size)
    expected = resize(frames.float(), [22], v2.InterpolationMode(mode), antialias=antialias)
    assert torch.equal(resized(frames, 22, mode, antialias=antialias), expected)  # type: ignore[arg-type]


@SIZES
def test_pictures_are_resized_as_torchvision_does(size: tuple[int, int]) -> None:
    frames = noise(2, 3, *size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that antialias is ignored
        pictures = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in frames]
        made = [resize(picture, [22], v2.InterpolationMode.BICUBIC) for picture in pictures]
    expected = torch.stack([v2.functional.pil_to_tensor(picture) for picture in made])
    assert torch.equal(resized_by_pillow(frames, 22), expected)


@pytest.mark.parametrize("size", [(22, 38), (39, 22), (22, 22), (25, 28)])
def test_the_centre_is_torchvisions(size: tuple[int, int]) -> None:
    frames: Tensor = noise(2, 3, *size)
    assert torch.equal(centre(frames, 22), center_crop(frames, [22, 22]))


@pytest.mark.parametrize("statistics", [CLIP, IMAGENET])
def test_levels_are_standardised(statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    levels = noise(2, 3, 5, 6).float() + 0.3
    expected = v2.functional.normalize(levels / 255, *map(list, statistics))
    assert torch.equal(standardised(levels, statistics), expected)


def test_floats_may_leave_the_levels() -> None:
    """VBench never clamps what it resizes as floats: an edge overshoots."""
    edge = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    edge[..., 4:] = 255
    assert float(resized(edge, 24, "bicubic").max()) > 255
