"""Do frames show what the prompt says? CLIP's cosine between frames and prompt (CLIPScore, Hessel et al. 2021)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from reward_forcing.codecs.files import first_line
from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded
from reward_forcing.rewards.residence import residence
from reward_forcing.shapes import Latents, Rewards, Video


class ClipScore:
    """Mean cosine between the prompt and frames spread over the video, times `scale`: in [-scale, scale].

    Frames are resized and cropped to CLIP's square: what lies outside the centre does not count. CLIP reads the first
    76 tokens of a prompt.

    Args:
        codec: decodes the samples; None: another decodes (a weighted sum).
        model: a name that open_clip knows (ViT-B-32, ViT-L-14, ...), or a JSON file of a model in its form.
        pretrained: file of weights; None: random weights, for tests.
        frames: judged of every video.
        batch: frames seen together.
        scale: factor of the cosine. CLIPScore's is 2.5.
        offload: whether CLIP waits on the CPU between uses.

    Raises:
        ValueError: a number is out of range, there is no such model, or the file is not its weights.
    """

    def __init__(
        self,
        codec: LatentCodec | None,
        *,
        model: str,
        pretrained: str | None,
        frames: int = 8,
        batch: int = 32,
        scale: float = 1.0,
        offload: bool = False,
    ) -> None:
        for name, value in (("frames", frames), ("batch", batch), ("scale", scale)):
            if value <= 0:
                raise ValueError(f"rewards.clip: {name} is {value}; it must be positive")
        self.codec, self.frames, self.batch, self.scale, self.offload = codec, frames, batch, scale, offload
        self.clip, self.tokenize = load_clip(model, pretrained)
        self.label = model if pretrained else f"{model} (random)"
        self.device = torch.device("cpu")

    def to(self, device: torch.device | str, /) -> "ClipScore":
        """Itself, with its codec moved; CLIP follows when it is used."""
        self.device, self.codec = torch.device(device), self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """One reward a sample.

        Raises:
            ValueError: not one prompt a sample, or no codec.
        """
        return self.judge(decoded(self.codec, clean, prompts, place="rewards.clip"), prompts)

    @torch.no_grad()
    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:
        """One reward a video in [-1, 1]."""
        from reward_forcing.videos import spread

        chosen = video[:, spread(video.shape[1], self.frames)]
        with residence(self.clip, self.device, offload=self.offload) as lent:
            clip: Any = lent
            words = normalize(clip.encode_text(self.tokenize(list(prompts)).to(self.device)), dim=-1)
            parts = chosen.flatten(0, 1).split(self.batch)
            seen = torch.cat([clip.encode_image(clip_pixels(clip, part.to(self.device))) for part in parts])
        cosines: Tensor = normalize(seen, dim=-1).unflatten(0, chosen.shape[:2]) @ words[:, :, None]
        return self.scale * cosines.mean((1, 2)).float().to(video.device)


def clip_pixels(
    clip: Any, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "frame 3 clip_height clip_width"]:
    """Frames in [-1, 1] as CLIP takes them: the shorter side resized (bicubic), the centre cut out, normalised."""
    height, width = clip.visual.image_size
    factor = max(height / frames.shape[-2], width / frames.shape[-1])
    size = [
        max(least, int(side * factor + 1e-6)) for least, side in zip((height, width), frames.shape[-2:], strict=True)
    ]
    resized = interpolate((frames.float().clamp(-1, 1) + 1) / 2, size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
    mean, std = (
        torch.tensor(values, device=frames.device)[:, None, None]
        for values in (clip.visual.image_mean, clip.visual.image_std)
    )
    return (resized[..., top : top + height, left : left + width] - mean) / std


def load_clip(model: str, pretrained: str | None, place: str = "rewards.clip") -> tuple[nn.Module, Any]:
    """A frozen CLIP and its tokenizer; random weights are the same every time. Errors are about `place`."""
    import open_clip

    name = _known(model, place)
    if pretrained is not None and not Path(pretrained).is_file():
        raise ValueError(
            f"{place}: pretrained is {pretrained!r}, and there is no such file; give weights of {model} in "
            "open_clip's form (for instance open_clip_model.safetensors), or null for random ones"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        clip = open_clip.create_model(name, pretrained=None, load_weights=False)
    if pretrained is not None:
        _fill(clip, model, pretrained, place)
    return clip.eval().requires_grad_(requires_grad=False), open_clip.get_tokenizer(name)


def _known(model: str, place: str) -> str:
    """The name under which open_clip knows a model. Raises ValueError when there is none."""
    import open_clip

    path = Path(model)
    if path.suffix == ".json" and path.is_file():
        try:
            json.loads(path.read_text("utf-8"))["embed_dim"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{place}: {path} is no model of open_clip ({error!r})") from error
        open_clip.add_model_config(path)
        return path.stem
    if model not in open_clip.list_models():
        raise ValueError(
            f"{place}: model is {model!r}; allowed: a JSON file of a model, or a name that open_clip knows, "
            "such as ViT-B-32, ViT-L-14, ViT-H-14"
        )
    return model


def _fill(clip: nn.Module, model: str, pretrained: str, place: str) -> None:
    import open_clip

    try:
        open_clip.load_checkpoint(clip, pretrained, strict=True)
    except Exception as error:  # whatever readers of pickles, TorchScript and safetensors raise
        said = first_line(error)
        raise ValueError(f"{place}: {pretrained} does not hold the weights of {model} ({said})") from error
