"""Frames as VBench shows them to its networks: which ones, and cut to a square."""

from itertools import pairwise
from typing import Final, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and deviation of red, green and blue in the pictures a network has learnt from."""


def middle_frames(total: int, count: int) -> list[int]:
    """The middle of each of `count` equal parts of a video; of a shorter one every frame, the last again and again.

    >>> middle_frames(81, 8), middle_frames(2, 4)
    ([4, 14, 24, 34, 44, 54, 64, 75], [0, 1, 1, 1])

    Raises:
        ValueError: there are no frames.
    """
    if total < 1:
        raise ValueError(f"the video has {total} frames; at least 1 is needed")
    parts = min(total, count)
    edges = [part * total // parts for part in range(parts + 1)]
    middles = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    return middles + [middles[-1]] * (count - parts)


def square(
    frames: UInt8[Tensor, "frame 3 height width"], *, shorter: int, side: int, mode: Literal["bilinear", "bicubic"]
) -> UInt8[Tensor, "frame 3 {side} {side}"]:
    """Frames with the shorter side at `shorter` (no antialias, rounded to levels), and their centre cut out of them.

    Raises:
        ValueError: `side` is more than `shorter`.
    """
    if side > shorter:
        raise ValueError(f"side is {side}; it must be at most shorter ({shorter})")
    height, width = frames.shape[-2:]
    size = [
        shorter if now == min(height, width) else int(shorter * now / min(height, width)) for now in (height, width)
    ]
    if size != [height, width]:
        resized = interpolate(frames.float(), size, mode=mode, align_corners=False)
        frames = resized.clamp(0, 255).round().to(torch.uint8)
    top, left = (round((now - side) / 2) for now in size)
    return frames[..., top : top + side, left : left + side]


def normalised(
    frames: UInt8[Tensor, "frame 3 height width"], statistics: tuple[tuple[float, ...], tuple[float, ...]]
) -> Float[Tensor, "frame 3 height width"]:
    """Frames in units of the deviation from the mean of what a network has learnt from."""
    mean, std = (torch.tensor(values, device=frames.device)[:, None, None] for values in statistics)
    return (frames.float() / 255 - mean) / std
