"""LAION's aesthetic score of every frame: a linear head on CLIP ViT-L/14 (OpenAI's, with its quick GELU)."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.clip import Clip, clip_file, opened, tensor_features
from evaluation.functional.agreement import aesthetic
from evaluation.networks.files import load_network
from evaluation.signals import Asked, EachFrame, Extractor, Watcher

GFLOP: Final = 162.0
"""Of a frame in ViT-L/14."""


def scores(clip: Clip, head: nn.Linear, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, " frame"]:
    """Of frames as VBench shows them, a share of the full mark."""
    return aesthetic(tensor_features(clip, frames), head.weight, head.bias)


def watch(_: Asked, *, clip: Clip, head: nn.Linear) -> Mapping[str, Watcher]:
    """Scores of all frames."""
    return {"aesthetic": EachFrame(partial(scores, clip, head))}


def load_head(path: Path, features: int = 768) -> nn.Linear:
    """The head in `sa_0_4_vit_l_14_linear.pth`. Raises ValueError if the file holds something else."""
    return load_network(partial(nn.Linear, features, 1), path, "aesthetic")


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    head = load_head(paths[1]).to(device)  # small: a mistake shows at once
    return partial(watch, clip=opened("ViT-L-14-quickgelu", paths[0], device), head=head)


def _cost(footage: Footage) -> float:
    return GFLOP * footage.frames


BACKENDS: Final = (
    Backend(
        name="aesthetic",
        title="CLIP ViT-L/14 and LAION's head",
        libraries=("open_clip",),
        files=(
            clip_file("clip_l14", "ViT-L-14", "timm/vit_large_patch14_clip_224.openai", 1_710_000_000),
            File(
                key="laion_head",
                names=("sa_0_4_vit_l_14_linear.pth",),
                size=4_000,
                licence="MIT",
                hint="https://github.com/LAION-AI/aesthetic-predictor",
                url="https://github.com/LAION-AI/aesthetic-predictor/raw/main/sa_0_4_vit_l_14_linear.pth",
                cached=("aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",),
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
