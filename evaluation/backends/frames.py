"""Frames as VBench prepares them for CLIP and DINO: in floats, never rounded, so that resizing may leave 0 to 255.

The networks of `evaluation.networks` that take levels bring their own preparation.
"""

from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

Statistics: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]


def size_with_shorter(height: int, width: int, side: int) -> tuple[int, int]:
    """The size with the shorter side at `side`; the longer one is cut to a whole number.

    >>> size_with_shorter(480, 832, 224)
    (224, 388)
    """
    rows, columns = (
        side if now == min(height, width) else int(side * now / min(height, width)) for now in (height, width)
    )
    return rows, columns


def resized(
    frames: UInt8[Tensor, "frame 3 height width"],
    side: int,
    mode: Literal["bilinear", "bicubic"],
    *,
    antialias: bool = False,
) -> Float[Tensor, "frame 3 rows columns"]:
    """Levels with the shorter side at `side`."""
    size = size_with_shorter(frames.shape[-2], frames.shape[-1], side)
    return interpolate(frames.float(), size, mode=mode, align_corners=False, antialias=antialias)


def resized_by_pillow(
    frames: UInt8[Tensor, "frame 3 height width"], side: int
) -> UInt8[Tensor, "frame 3 rows columns"]:
    """The same as Pillow does it: bicubic, always against aliasing, rounded to levels."""
    import numpy as np
    from PIL import Image

    rows, columns = size_with_shorter(frames.shape[-2], frames.shape[-1], side)
    pictures = [Image.fromarray(frame) for frame in frames.cpu().permute(0, 2, 3, 1).numpy()]
    small: Any = [np.array(picture.resize((columns, rows), Image.Resampling.BICUBIC)) for picture in pictures]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2)


def centre(frames: Tensor, side: int) -> Tensor:
    """The square in the middle."""
    top, left = (round((now - side) / 2) for now in frames.shape[-2:])
    return frames[..., top : top + side, left : left + side]


def standardised(levels: Tensor, statistics: Statistics) -> Float[Tensor, "frame 3 height width"]:
    """Levels in units of the deviation from the mean of what a network has learnt from."""
    mean, std = (torch.tensor(values, device=levels.device)[:, None, None] for values in statistics)
    return (levels.float() / 255 - mean) / std
