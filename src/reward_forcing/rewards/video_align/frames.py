"""Video frames as Qwen2-VL's vision tower takes them, made on the device the frames are on."""

from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from reward_forcing.shapes import Video

Levels: TypeAlias = Float[Tensor, "batch looked_at 3 rows columns"]
"""Resized frames in levels, 255 is white."""

PATCH, MERGE, PAIR = 14, 2, 2
"""Rows and columns of a patch, patches along the side of a token, frames of a patch (Qwen2-VL)."""

LEAST_PIXELS, MOST_PIXELS = 128 * 28 * 28, 448 * 448
"""Pixels of a frame after resizing (VideoAlign's settings)."""

RATE, LEAST_FRAMES, MOST_FRAMES = 2.0, 4, 768
"""Frames a second that VideoAlign looks at, and how many at least and at most."""

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's


def sampled(total: int, fps: float) -> list[int]:
    """Indices of the frames to look at: 2 a second, an even number, at least 4, spread from the first to the last.

    A clip of fewer than 4 frames gives as many pairs as it has, a single frame itself.

    >>> sampled(81, 16)
    [0, 9, 18, 27, 36, 44, 53, 62, 71, 80]
    """
    most = max(1, min(MOST_FRAMES, total) // PAIR * PAIR)
    wanted = min(max(total / fps * RATE, LEAST_FRAMES), most)
    count = max(1, min(most, round(wanted / PAIR) * PAIR))
    return [int(index) for index in torch.linspace(0, total - 1, count).round().tolist()]


def levels(video: Video) -> Levels:
    """Frames in [-1, 1] as whole levels 0 to 255 (kept as floats), resized: what VideoAlign reads from a file."""
    whole = ((video.float().clamp(-1, 1) + 1) * 127.5).round()
    return resized(whole).clamp(0, 255).round()


def official_levels(video: Video) -> Levels:
    """What Reward Forcing's released code gives the judge: levels -255 to 255, resized, never shifted to 0 to 255."""
    return resized(video.float() * 255)


def resized(video: Video) -> Levels:
    """Frames at the size Qwen2-VL's rule gives (multiples of 28, the aspect nearly kept), bicubic with antialiasing."""
    size = resized_size(video.shape[-2], video.shape[-1])
    small: Tensor = interpolate(video.flatten(0, 1), size, mode="bicubic", antialias=True)
    sized: Tensor = small.unflatten(0, video.shape[:2])
    return sized


def resized_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns after resizing. Raises ValueError for pictures more than 200 times as long as wide.

    >>> resized_size(480, 832)
    (336, 588)
    """
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import smart_resize

    rows, columns = smart_resize(height, width, PATCH * MERGE, LEAST_PIXELS, MOST_PIXELS)
    return rows, columns


def patches(video: Levels) -> tuple[Float[Tensor, "patch feature"], Int[Tensor, "batch 3"]]:
    """Normalised patches of levels, all videos in a row, and each video's grid of patches (time, rows, columns).

    An odd number of frames is filled up with the last. Patches that become one token follow each other.
    """
    mean, deviation = (video.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    normal = (video / 255 - mean) / deviation
    if normal.shape[1] % PAIR:
        normal = torch.cat([normal, normal[:, -1:]], dim=1)
    batch, frames, channels, height, width = normal.shape
    grid = (frames // PAIR, height // PATCH, width // PATCH)
    split = normal.reshape(
        batch, grid[0], PAIR, channels, grid[1] // MERGE, MERGE, PATCH, grid[2] // MERGE, MERGE, PATCH
    )
    rows = split.permute(0, 1, 4, 7, 5, 8, 3, 2, 6, 9).reshape(-1, channels * PAIR * PATCH * PATCH)
    return rows, torch.tensor([grid] * batch, device=video.device)


def tokens_of(grids: Int[Tensor, "batch 3"]) -> int:
    """Tokens that each video becomes; all grids are the same."""
    return int(grids[0].prod()) // MERGE**2
