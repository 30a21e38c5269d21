"""Rows of features of videos: fixed by a seed, about motion, read from files, and refusing what they cannot see."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evaluation.networks.frames import IMAGENET, normalised
from evaluation.networks.video_features import I3D, SIDE, RandomConvolution, ToyStates, VideoMae
from reward_forcing.videos import to_float
from tests.evaluation.made import MOVING, truth
from tests.evaluation.networks.filling import noise

SIZES: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "image_size": 32,
    "num_frames": 4,
}


class Script(nn.Module):
    """What the ports look like: told how to prepare, and whether features are wanted."""

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False) -> Tensor:
        if rescale or resize or not return_features:
            return torch.zeros(len(x), 400)
        return torch.cat([x.mean((2, 3, 4)), x.amax((2, 3, 4))], 1)


class Plain(nn.Module):
    """Another port without settings."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((3, 4)).mean(2)


class Pictures(nn.Module):
    """No features of videos."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def scripted(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(module).save(str(path))
    return path


def test_random_features_are_fixed_and_depend_on_the_seed() -> None:
    video = noise(2, 6, 3, 40, 56)
    found = RandomConvolution()(video)
    assert found.shape == (2, RandomConvolution.num_features)
    assert torch.equal(found, RandomConvolution()(video))
    assert not torch.allclose(found, RandomConvolution(1)(video))
    torch.testing.assert_close(torch.cat([RandomConvolution()(one[None]) for one in video]), found)


def test_random_features_see_time() -> None:
    video = truth(12)
    shuffled = video[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    before, after = RandomConvolution()(video), RandomConvolution()(shuffled)
    assert (before - after).norm() > 0.05 * (before - before.mean(0)).norm()


def test_random_features_are_no_parameters() -> None:
    assert not list(RandomConvolution().parameters())
    assert not RandomConvolution().state_dict()


def test_toy_states_are_about_the_sprite() -> None:
    found = ToyStates()(truth(24))
    assert found.shape == (len(MOVING), ToyStates.num_features)
    assert found.isfinite().all()
    speed = found[:, 2:4].square().sum(1) + found[:, 7:9].square().sum(1)
    assert speed[0] > speed[2], "fast is faster than slow"
    empty = torch.full((1, 8, 3, 32, 32), 128, dtype=torch.uint8)
    assert ToyStates()(empty).isnan().any()
    with pytest.raises(ValueError, match=r"extractor toy: videos are \(16, 32\); allowed: 32 x 32"):
        ToyStates()(noise(1, 4, 3, 16, 32))


def test_i3d_is_shown_squares_in_minus_one_to_one(tmp_path: Path) -> None:
    path = scripted(Script(), tmp_path / "i3d.pt")
    network, video = I3D(path, 3), noise(2, 3, 3, 48, 80)
    flat = interpolate(to_float(video).flatten(0, 1), (SIDE, SIDE), mode="bilinear", antialias=True)
    seen = flat.unflatten(0, (2, 3)).movedim(2, 1)
    assert network.num_features == 6
    torch.testing.assert_close(network(video), torch.cat([seen.mean((2, 3, 4)), seen.amax((2, 3, 4))], 1))
    assert network.fingerprint.startswith("I3D TorchScript sha256:")
    assert I3D(scripted(Plain(), tmp_path / "plain.pt"), 3).num_features == 3


def test_other_files_are_no_i3d(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("nothing")
    with pytest.raises(ValueError, match=r"text.pt is no TorchScript file"):
        I3D(tmp_path / "text.pt", 3)
    with pytest.raises(ValueError, match=r"makes \[1, 3, 4, 224, 224\] of one video; allowed: \[1, features\]"):
        I3D(scripted(Pictures(), tmp_path / "pictures.pt"), 4)
    with pytest.raises(ValueError, match="cannot see 4 frames of 224 x 224"):
        I3D(scripted(nn.Linear(5, 2), tmp_path / "linear.pt"), 4)


def videomae(folder: Path, prefix: str = "") -> Any:
    from transformers import VideoMAEConfig, VideoMAEModel

    torch.manual_seed(0)
    model = VideoMAEModel(VideoMAEConfig(**SIZES)).eval()
    model.config.save_pretrained(folder)
    save_file({prefix + name: value for name, value in model.state_dict().items()}, folder / "model.safetensors")
    return model


@pytest.mark.parametrize("prefix", ["", "videomae."])
def test_videomae_is_read_from_a_folder(tmp_path: Path, prefix: str) -> None:
    model, video = videomae(tmp_path, prefix), noise(2, 4, 3, 32, 32)
    network = VideoMae(tmp_path)
    with torch.no_grad():
        shown = normalised(video.flatten(0, 1), IMAGENET).unflatten(0, (2, 4))
        torch.testing.assert_close(network(video), model(shown).last_hidden_state.mean(1))
    assert network.num_features == 8
    assert network(noise(1, 4, 3, 20, 50)).shape == (1, 8)
    with pytest.raises(ValueError, match="videos of 5 frames; allowed: 4"):
        network(noise(1, 5, 3, 32, 32))


def test_other_folders_are_no_videomae(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold config.json and model.safetensors"):
        VideoMae(tmp_path)
    videomae(tmp_path, "other.")
    with pytest.raises(ValueError, match=r"model.safetensors lacks embeddings.* and \d+ more"):
        VideoMae(tmp_path)
