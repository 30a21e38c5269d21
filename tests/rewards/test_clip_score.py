"""CLIP score against open_clip used by hand, on a tiny model with random weights."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity

from reward_forcing.rewards.clip_score import ClipScore, clip_pixels, load_clip
from reward_forcing.videos import to_uint8
from tests.rewards.pixels import Pixels

SIZES = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PROMPTS = ["a red fox jumps over a lazy dog", "two boats on a lake at dawn"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clip") / "tiny-clip.json"
    path.write_text(json.dumps(SIZES))
    return str(path)


def videos(batch: int = 2, height: int = 40, width: int = 60) -> Tensor:
    """Smooth random pictures in [-1, 1], so that resizing methods agree."""
    coarse = torch.rand(batch * 5, 3, 5, 7, generator=torch.Generator().manual_seed(1)) * 2 - 1
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)
    pictures: Tensor = fine.unflatten(0, (batch, 5))
    return pictures


def by_hand(clip: Any, video: Tensor, prompt: str, frames: list[int]) -> float:
    """The mean cosine as open_clip's own examples take it, through PIL."""
    see = open_clip.image_transform(32, is_train=False, mean=clip.visual.image_mean, std=clip.visual.image_std)
    pictures = [Image.fromarray(to_uint8(video[at]).permute(1, 2, 0).numpy()) for at in frames]
    images: Any = torch.stack([see(picture) for picture in pictures])
    words = clip.encode_text(open_clip.get_tokenizer("tiny-clip")([prompt]))
    return float(cosine_similarity(clip.encode_image(images), words).mean())


@pytest.mark.parametrize("size", [(40, 60), (32, 32), (70, 33)])
def test_the_score_is_open_clips(model: str, size: tuple[int, int]) -> None:
    judge = ClipScore(Pixels(), model=model, pretrained=None, frames=3, batch=4, scale=2.5)
    video = videos(2, *size)
    rewards = judge(video, PROMPTS)
    expected = [2.5 * by_hand(judge.clip, clip, prompt, [0, 2, 4]) for clip, prompt in zip(video, PROMPTS, strict=True)]
    assert rewards.tolist() == pytest.approx(expected, abs=2e-3)


def test_frames_are_cropped_and_normalised(model: str) -> None:
    clip, _ = load_clip(model, None)
    white = clip_pixels(clip, torch.ones(1, 3, 40, 90))
    expected = (1 - torch.tensor(open_clip.OPENAI_DATASET_MEAN)) / torch.tensor(open_clip.OPENAI_DATASET_STD)
    assert white.shape == (1, 3, 32, 32)
    torch.testing.assert_close(white, expected[None, :, None, None].expand_as(white))


def test_neither_batches_nor_offloading_matter(model: str) -> None:
    options: dict[str, Any] = {"model": model, "pretrained": None, "frames": 5}
    whole = ClipScore(None, **options).judge(videos(), PROMPTS)
    small = ClipScore(None, **options, batch=3, offload=True).to("cpu").judge(videos(), PROMPTS)
    torch.testing.assert_close(whole, small)


def test_weights_come_from_a_file(model: str, tmp_path: Path) -> None:
    clip, _ = load_clip(model, None)
    changed = {
        name: weight + 0.1 if weight.is_floating_point() else weight for name, weight in clip.state_dict().items()
    }
    torch.save(changed, tmp_path / "clip.pt")
    judge = ClipScore(Pixels(), model=model, pretrained=str(tmp_path / "clip.pt"))
    for name, weight in judge.clip.state_dict().items():
        assert torch.equal(weight, changed[name])
    assert judge.label == model
    assert ClipScore(None, model=model, pretrained=None).label == f"{model} (random)"


def test_no_gradient_and_no_trace_in_the_global_generator(model: str) -> None:
    before = torch.get_rng_state()
    judge = ClipScore(Pixels(), model=model, pretrained=None)
    assert torch.equal(torch.get_rng_state(), before)
    assert not judge(videos().requires_grad_(), PROMPTS).requires_grad


def test_errors(model: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rewards.clip: frames is 0; it must be positive"):
        ClipScore(None, model=model, pretrained=None, frames=0)
    with pytest.raises(ValueError, match="model is 'ViT-X'; allowed: a JSON file of a model, or a name"):
        ClipScore(None, model="ViT-X", pretrained=None)
    with pytest.raises(ValueError, match=r"pretrained is 'no.pt', and there is no such file; give weights of"):
        ClipScore(None, model=model, pretrained="no.pt")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ValueError, match=r"bad.json is no model of open_clip"):
        ClipScore(None, model=str(tmp_path / "bad.json"), pretrained=None)
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other.pt does not hold the weights of"):
        ClipScore(None, model=model, pretrained=str(tmp_path / "other.pt"))
    with pytest.raises(ValueError, match="rewards.clip: 1 prompts for 2 samples"):
        ClipScore(Pixels(), model=model, pretrained=None)(videos(), PROMPTS[:1])
