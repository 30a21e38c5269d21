"""MUSIQ's score of every frame (imaging quality), 0 to 100. Network and preparation: `evaluation.networks.musiq`."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch

from evaluation.backends.backend import Backend, File, Footage
from evaluation.networks.musiq import LONGEST, Musiq, imaging_scores, load_musiq, view_size
from evaluation.signals import Asked, EachFrame, Extractor, Watcher

URL: Final = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/musiq_spaq_ckpt-358bb6af.pth"


def watch(_: Asked, *, network: Musiq) -> Mapping[str, Watcher]:
    """Scores of all frames."""
    return {"imaging": EachFrame(partial(imaging_scores, network))}


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch, network=load_musiq(paths[0]).to(device))


def _cost(footage: Footage) -> float:
    """Of every frame: the patches of all views, whose attention grows with the square."""
    shrink = min(1, LONGEST / max(footage.height, footage.width))
    height, width = int(shrink * footage.height), int(shrink * footage.width)
    views = [view_size(height, width, side) for side in (224, 384)]
    patches = sum(-(-rows // 32) * -(-columns // 32) for rows, columns in [*views, (height, width)])
    return footage.frames * (0.0684 * patches + 2.11e-5 * patches**2)


BACKENDS: Final = (
    Backend(
        name="musiq",
        title="MUSIQ on SPAQ",
        files=(
            File(
                key="musiq",
                names=("musiq_spaq_ckpt-358bb6af.pth",),
                size=109_000_000,
                licence="network Apache-2.0; the file's publisher, IQA-PyTorch: for non-commercial use",
                hint=URL,
                url=URL,
                cached=("pyiqa_model/musiq_spaq_ckpt-358bb6af.pth",),
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
