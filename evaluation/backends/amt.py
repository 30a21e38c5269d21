"""How far every odd frame is from what AMT-S puts between its neighbours (motion smoothness), in levels.

Network and preparation: `evaluation.networks.amt`. VBench drops the odd frames of a video; in a window that starts at
an odd frame, others would be dropped: here the frames that count are always the video's odd ones.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.watchers import EachThree
from evaluation.functional.pixels import change
from evaluation.networks.amt import Amt, interpolated, load_amt
from evaluation.signals import Asked, Extractor, Watcher


def surprise(
    network: Amt,
    before: UInt8[Tensor, "row 3 height width"],
    shown: UInt8[Tensor, "row 3 height width"],
    after: UInt8[Tensor, "row 3 height width"],
) -> Float[Tensor, " row"]:
    """Mean absolute difference of frames to those interpolated from their neighbours, in levels."""
    made = [interpolated(network, torch.stack(pair)) for pair in zip(before, after, strict=True)]
    return change(torch.cat(made).cpu(), shown.cpu())


def watch(_: Asked, *, network: Amt) -> Mapping[str, Watcher]:
    """Surprise of all odd frames that have a successor."""
    return {"surprise": EachThree(partial(surprise, network))}


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch, network=load_amt(paths[0]).to(device))


def _cost(footage: Footage) -> float:
    """Of every odd frame: convolutions grow with the area, correlations with its square."""
    area = footage.height * footage.width / (480 * 832)
    return (85.4 * area + 6.5 * area**2) * max(0, (footage.frames - 1) // 2)


BACKENDS: Final = (
    Backend(
        name="amt",
        title="AMT-S",
        files=(
            File(
                key="amt",
                names=("amt-s.pth",),
                size=12_000_000,
                licence="CC BY-NC 4.0",
                hint="https://huggingface.co/lalala125/AMT",
                repo="lalala125/AMT",
                repo_file="amt-s.pth",
                cached=("amt_model/amt-s.pth",),
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
