"""Features of all frames by DINO, of clips' first frames by DINOv2."""

import torch

from evaluation.backends.dino import BACKENDS, features, square_features
from evaluation.backends.frames import centre, resized, standardised
from evaluation.networks.dino import Dino
from evaluation.networks.frames import IMAGENET
from evaluation.signals import Asked
from tests.evaluation.backends.small import DINO, smooth, watched
from tests.evaluation.networks.filling import filled, noise

NETWORK = filled(Dino(**DINO), std=0.2)


def test_dino_sees_whole_frames() -> None:
    frames = noise(2, 3, 48, 83)
    seen = standardised(resized(frames, 24, "bilinear"), IMAGENET)
    assert seen.shape == (2, 3, 24, 41)
    assert torch.equal(features(NETWORK, frames, side=24), NETWORK(seen))


def test_dinov2_sees_squares_against_aliasing() -> None:
    frames = noise(2, 3, 48, 83)
    seen = standardised(centre(resized(frames, 28, "bicubic", antialias=True), 24), IMAGENET)
    assert seen.shape == (2, 3, 24, 24)
    assert torch.equal(square_features(NETWORK, frames, wider=28, side=24), NETWORK(seen))


def test_every_frame_has_features() -> None:
    video = smooth(19, 30, 40, clips=2)
    signal = watched("dino", video, Asked(("a", "b"), 19, 8.0), size=5)["dino"]
    alone = watched("dino", video[1:], Asked(("b",), 19, 8.0))["dino"]
    assert signal.values.shape == (2, 19, 16)
    torch.testing.assert_close(signal.values[1:], alone.values)


def test_clips_of_two_seconds_have_features_of_their_first_frame() -> None:
    signal = watched("dinov2", smooth(21, 30, 40), Asked(("a",), 21, 4.9))["dinov2"]
    assert signal.spans is not None
    assert signal.spans[:, 0].tolist() == [0, 8, 13]


def test_the_files_are_the_published_ones() -> None:
    names = {backend.name: backend.files[0].names[0] for backend in BACKENDS}
    assert names == {"dino": "dino_vitbase16_pretrain.pth", "dinov2": "dinov2_vitb14_pretrain.pth"}
    for backend in BACKENDS:
        assert backend.files[0].url.endswith(names[backend.name])
