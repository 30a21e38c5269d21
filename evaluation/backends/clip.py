"""CLIP ViT-B/32 (OpenAI's, with its quick GELU) on frames: as tensors for background consistency, by Pillow for style.

VBench resizes tensors without antialias in one dimension and pictures with it in the other; the two differ by 6 levels
on average at 480 x 832, so that each has an instrument of its own. fp32 on any device; VBench takes fp16 on a GPU.

Agreement (26 Nov 2026, torch 2.15, open_clip 3.3, fp32, CPU): both preparations are bit-identical to those of VBench
0.1.5 on seven sizes; on equal random weights, features of frames and texts differ from openai-clip's by up to 4e-6 at
values of up to 5 (ViT-B/32 and ViT-L/14). Plain `ViT-B-32` would be another network: its GELU is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.frames import centre, resized, resized_by_pillow, standardised
from evaluation.networks.frames import CLIP
from evaluation.signals import Asked, EachFrame, Extractor, Known, Watcher
from reward_forcing.rewards.clip_score import load_clip

GFLOP: Final = 8.8
"""Of a frame in ViT-B/32."""

STYLE: Final = "appearance_style"
"""Key of the words for a video's style in its metadata, or in VBench's auxiliary information in them."""


@dataclass(frozen=True)
class Clip:
    """A CLIP and its tokenizer."""

    network: Any
    tokenize: Any

    @property
    def side(self) -> int:
        """Rows and columns that it sees."""
        return int(self.network.visual.image_size[0])

    @property
    def device(self) -> torch.device:
        """Where it is."""
        place: torch.device = next(self.network.parameters()).device
        return place


def tensor_features(clip: Clip, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame feature"]:
    """Features of frames resized as tensors: bicubic, no antialias, neither rounded nor clamped."""
    seen = centre(resized(frames.to(clip.device), clip.side, "bicubic"), clip.side)
    made: Tensor = clip.network.encode_image(standardised(seen, CLIP))
    return made


def picture_features(clip: Clip, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame feature"]:
    """Features of frames resized by Pillow."""
    seen = centre(resized_by_pillow(frames, clip.side), clip.side).to(clip.device)
    made: Tensor = clip.network.encode_image(standardised(seen, CLIP))
    return made


def text_features(clip: Clip, texts: Sequence[str]) -> Float[Tensor, "text feature"]:
    """Features of texts, which are cut at 77 tokens; NaN for empty ones."""
    made: Tensor = clip.network.encode_text(clip.tokenize(list(texts)).to(clip.device)).float().cpu()
    there = torch.tensor([bool(text) for text in texts])
    return torch.where(there[:, None], made, torch.nan)


def watch_tensors(_: Asked, *, clip: Clip) -> Mapping[str, Watcher]:
    """Features of all frames, as tensors."""
    return {"clip_tensors": EachFrame(partial(tensor_features, clip))}


def watch_pictures(asked: Asked, *, clip: Clip) -> Mapping[str, Watcher]:
    """Features of all frames, as pictures, of the prompts, and of the styles that videos should have."""
    return {
        "clip_pictures": EachFrame(partial(picture_features, clip)),
        "clip_prompts": Known(text_features(clip, asked.prompts)),
        "clip_styles": Known(text_features(clip, [style_of(known) for known in asked.known()])),
    }


def style_of(details: Mapping[str, Any]) -> str:
    """The words for the style a video should have; empty where none are known.

    >>> style_of({"vbench": {"auxiliary_info": {"appearance_style": {"appearance_style": "oil painting"}}}})
    'oil painting'
    """
    noted = details.get("vbench", {}).get("auxiliary_info", {})
    found = details.get(STYLE) or noted.get(STYLE) or ""
    return str(found.get(STYLE, "") if isinstance(found, Mapping) else found)


@cache
def opened(name: str, path: Path, device: torch.device) -> Clip:
    """A CLIP of open_clip's; the same for all who ask for it. Raises ValueError if the file does not hold it."""
    network, tokenize = load_clip(name, str(path), place=name)
    assert isinstance(network, nn.Module)
    return Clip(network.to(device), tokenize)


def clip_file(key: str, name: str, repo: str, size: int) -> File:
    """OpenAI's weights in open_clip's form."""
    return File(
        key=key,
        names=(f"{name}.safetensors",),
        size=size,
        licence="MIT",
        hint=f"https://huggingface.co/{repo}, open_clip_model.safetensors, as {name}.safetensors",
        repo=repo,
        repo_file="open_clip_model.safetensors",
    )


def _load_tensors(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_tensors, clip=opened(MODEL, paths[0], device))


def _load_pictures(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_pictures, clip=opened(MODEL, paths[0], device))


def _cost(footage: Footage) -> float:
    return GFLOP * footage.frames


MODEL: Final = "ViT-B-32-quickgelu"
FILE: Final = clip_file("clip_b32", "ViT-B-32", "timm/vit_base_patch32_clip_224.openai", 605_000_000)
BACKENDS: Final = (
    Backend(
        name="clip_tensors",
        title="CLIP ViT-B/32 on tensors",
        libraries=("open_clip",),
        files=(FILE,),
        load=_load_tensors,
        cost=_cost,
    ),
    Backend(
        name="clip_pictures",
        title="CLIP ViT-B/32 on pictures",
        libraries=("open_clip", "PIL"),
        files=(FILE,),
        load=_load_pictures,
        cost=_cost,
    ),
)
