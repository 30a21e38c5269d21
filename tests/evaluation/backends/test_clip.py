"""CLIP by both of VBench's preparations, against open_clip used by hand."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import center_crop, normalize, resize

from evaluation.backends.clip import opened, picture_features, style_of, tensor_features, text_features
from evaluation.signals import Asked
from tests.evaluation.backends.small import clip_config, small_clip, smooth, watched
from tests.evaluation.networks.filling import noise


def test_pictures_are_seen_as_open_clip_shows_them() -> None:
    clip, frames = small_clip(), noise(3, 3, 50, 70)
    see: Any = open_clip.image_transform(
        32, is_train=False, mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD
    )
    shown = torch.stack([see(Image.fromarray(frame.permute(1, 2, 0).numpy())) for frame in frames])
    torch.testing.assert_close(picture_features(clip, frames), clip.network.encode_image(shown))


def test_tensors_are_seen_without_antialias_and_unrounded() -> None:
    clip, frames = small_clip(), noise(3, 3, 64, 96)
    small = center_crop(resize(frames.float(), [32], InterpolationMode.BICUBIC, antialias=False), [32, 32])
    shown = normalize(small / 255, list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD))
    found = tensor_features(clip, frames)
    torch.testing.assert_close(found, clip.network.encode_image(shown))
    assert (found - picture_features(clip, frames)).abs().max() > 0.01


def test_texts_have_open_clips_features_and_empty_ones_have_none() -> None:
    clip = small_clip()
    found = text_features(clip, ["a red fox", "", "two boats"])
    expected = clip.network.encode_text(open_clip.get_tokenizer("small-clip")(["a red fox", "two boats"]))
    torch.testing.assert_close(found[[0, 2]], expected)
    assert found[1].isnan().all()


def test_the_instrument_knows_frames_prompts_and_styles() -> None:
    asked = Asked(("a fox", "a boat"), 5, 8.0, (), ({"appearance_style": "pixel art"}, {}))
    signals = watched("clip_pictures", smooth(5, 40, 60, clips=2), asked, size=2)
    assert signals["clip_pictures"].values.shape == (2, 5, 16)
    torch.testing.assert_close(signals["clip_prompts"].values[:, 0], text_features(small_clip(), ["a fox", "a boat"]))
    styles = signals["clip_styles"].values[:, 0]
    torch.testing.assert_close(styles[:1], text_features(small_clip(), ["pixel art"]))
    assert styles[1].isnan().all()


def test_styles_stand_in_metadata_or_in_vbenchs_own() -> None:
    inner = {"appearance_style": {"appearance_style": "oil painting"}}
    assert style_of({"vbench": {"auxiliary_info": inner, "dimensions": []}}) == "oil painting"
    assert style_of({"appearance_style": "pixel art", "vbench": {"auxiliary_info": inner}}) == "pixel art"
    assert style_of({"vbench": {"auxiliary_info": {"color": {"color": "red"}}}}) == style_of({}) == ""


def test_weights_come_from_a_file_and_are_shared(tmp_path: Path) -> None:
    config, device = clip_config(tmp_path), torch.device("cpu")
    changed = {name: tensor * 1.1 for name, tensor in small_clip().network.state_dict().items()}
    torch.save(changed, tmp_path / "clip.pt")
    clip = opened(config, tmp_path / "clip.pt", device)
    assert opened(config, tmp_path / "clip.pt", device) is clip
    assert torch.equal(clip.network.visual.proj, changed["visual.proj"])
    torch.save({"x": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"small-clip.json: .*other.pt does not hold the weights of"):
        opened(config, tmp_path / "other.pt", device)
