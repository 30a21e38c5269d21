"""DINO's features of every frame (subject consistency), DINOv2's of every clip's first (VBench-Long, between clips).

DINO sees frames with the shorter side at 224 (bilinear, no antialias, no crop), as VBench's does: 480 x 832 becomes
224 x 388, of which 24 columns of patches are seen. DINOv2 sees squares: shorter side at 256 (bicubic, antialias), of
which the centre of 224 is cut out.

Both preparations are bit-identical to those of VBench 0.1.5 on seven sizes (26 Nov 2026, torch 2.15, CPU).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.frames import centre, resized, size_with_shorter, standardised
from evaluation.backends.watchers import Picked
from evaluation.functional.consistency import clip_starts
from evaluation.networks.dino import DINOV2, Dino, load_dino
from evaluation.networks.frames import IMAGENET
from evaluation.signals import Asked, EachFrame, Extractor, Watcher

SIDE: Final = 224
WIDER: Final = 256
"""The shorter side before DINOv2's square is cut out."""

CLIP_SECONDS: Final = 2
"""VBench-Long's length of a clip."""


def features(
    network: Dino, frames: UInt8[Tensor, "frame 3 height width"], *, side: int = SIDE
) -> Float[Tensor, "frame feature"]:
    """DINO's features, with VBench's preparation."""
    seen = resized(frames.to(network.cls_token.device), side, "bilinear")
    made: Tensor = network(standardised(seen, IMAGENET))
    return made


def square_features(
    network: Dino, frames: UInt8[Tensor, "frame 3 height width"], *, wider: int = WIDER, side: int = SIDE
) -> Float[Tensor, "frame feature"]:
    """DINOv2's features, with VBench-Long's preparation."""
    seen = centre(resized(frames.to(network.cls_token.device), wider, "bicubic", antialias=True), side)
    made: Tensor = network(standardised(seen, IMAGENET))
    return made


def watch_frames(_: Asked, *, network: Dino, side: int = SIDE) -> Mapping[str, Watcher]:
    """Features of all frames."""
    return {"dino": EachFrame(partial(features, network, side=side))}


def watch_clips(asked: Asked, *, network: Dino, wider: int = WIDER, side: int = SIDE) -> Mapping[str, Watcher]:
    """Features of the first frames of clips of two seconds."""
    starts = clip_starts(asked.frames, max(1, int(asked.fps)) * CLIP_SECONDS)
    return {"dinov2": Picked(partial(square_features, network, wider=wider, side=side), starts)}


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_frames, network=load_dino(paths[0]).to(device))


def _load_second(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_clips, network=load_dino(paths[0], "dinov2", **DINOV2).to(device))


def _cost(footage: Footage) -> float:
    """All frames: linear layers grow with the tokens, attention with their square."""
    height, width = size_with_shorter(footage.height, footage.width, SIDE)
    tokens = 1 + (height // 16) * (width // 16)
    return footage.frames * (0.171 * tokens + 3.69e-5 * tokens**2)


def _cost_second(footage: Footage) -> float:
    """One frame in two seconds."""
    return 46.3 * len(clip_starts(footage.frames, max(1, int(footage.fps)) * CLIP_SECONDS))


BACKENDS: Final = (
    Backend(
        name="dino",
        title="DINO ViT-B/16",
        files=(
            File(
                key="dino",
                names=("dino_vitbase16_pretrain.pth",),
                size=343_000_000,
                licence="Apache-2.0",
                hint="https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
                url="https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
                cached=("dino_model/dino_vitbase16_pretrain.pth",),
            ),
        ),
        load=_load,
        cost=_cost,
    ),
    Backend(
        name="dinov2",
        title="DINOv2 ViT-B/14",
        files=(
            File(
                key="dinov2",
                names=("dinov2_vitb14_pretrain.pth",),
                size=346_000_000,
                licence="Apache-2.0",
                hint="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
                url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
            ),
        ),
        load=_load_second,
        cost=_cost_second,
    ),
)
