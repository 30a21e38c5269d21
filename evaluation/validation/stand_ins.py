"""Small stand-ins for the networks that metrics look through, fixed by a seed: they need no weights.

They show how a metric answers to damage in principle. How the real networks see it, they do not show.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, relu

from evaluation.backends.watchers import EachThree
from evaluation.instruments import BUILT_IN
from evaluation.signals import Asked, EachFrame, EachPair, Extractor, Watcher

CHANNELS: Final = 48
CELL: Final = 8
"""Pixels a side over which features are averaged: they know roughly where something is."""
THRESHOLD: Final = 6 / 256
"""Of VBench's dynamic degree, in shorter sides of the picture."""
STRONGEST: Final = 0.05
"""The share of pixels that counts there."""
FASTEST: Final = 4.0
"""Pixels a frame: beyond, edges cannot be followed."""
FAINT: Final = 0.02
"""Change of brightness a pixel below which no motion can be told, levels in [0, 1]."""

Levels: TypeAlias = UInt8[Tensor, "frame 3 height width"]


@cache
def filters(seed: int) -> Float[Tensor, "channel 3 5 5"]:
    """Random filters without any answer to plain grey."""
    drawn = torch.randn(CHANNELS, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    centred: Tensor = drawn - drawn.mean((1, 2, 3), keepdim=True)
    return centred


def features(frames: Levels, seed: int) -> Float[Tensor, "frame feature"]:
    """Random convolution, rectified, averaged over cells."""
    answers = relu(conv2d(frames.float() / 255, filters(seed), padding=2))
    pooled: Tensor = avg_pool2d(answers, CELL)
    return pooled.flatten(1)


def flow_strength(before: Levels, after: Levels) -> Float[Tensor, " pair"]:
    """The motion across edges (change over slope) of the fastest 5 % of pixels, in units of VBench's threshold."""
    first, second = (frames.float().mean(1) / 255 for frames in (before, after))
    slope = torch.stack(torch.gradient((first + second) / 2, dim=(1, 2))).norm(dim=0)
    speed = ((second - first).abs() / slope.clamp(min=FAINT)).clamp(max=FASTEST).flatten(1)
    fastest = speed.topk(max(1, int(STRONGEST * speed.shape[1])), dim=1).values
    strength: Tensor = fastest.mean(1) / (THRESHOLD * min(before.shape[-2:]))
    return strength


def surprise(before: Levels, shown: Levels, after: Levels) -> Float[Tensor, " row"]:
    """How far frames are from the mean of their neighbours, in levels: a blend in place of AMT-S."""
    blend = (before.float() + after.float()) / 2
    return (shown.float() - blend).abs().mean((1, 2, 3))


def stand_in(signal: str, watcher: Callable[[], Watcher]) -> Extractor:
    """An instrument with one signal."""

    def watch(_: Asked) -> Mapping[str, Watcher]:
        return {signal: watcher()}

    return watch


STAND_INS: Final[Mapping[str, Extractor]] = {
    **BUILT_IN,
    "dino": stand_in("dino", lambda: EachFrame(partial(features, seed=1))),
    "clip_tensors": stand_in("clip_tensors", lambda: EachFrame(partial(features, seed=2))),
    "flow": stand_in("flow", lambda: EachPair(flow_strength)),
    "amt": stand_in("surprise", lambda: EachThree(surprise)),
}
"""By the names of the instruments that metrics need."""
