"""Pictures and clips that videos are to continue."""

import warnings
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from reward_forcing.shapes import Latents
from reward_forcing.streaming import Streamer
from reward_forcing.videos import Frames, read_clip, to_float

PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@torch.inference_mode()
def encode_start(path: Path, streamer: Streamer, batch: int) -> Latents:
    """Latents of a picture or clip, for each of `batch` videos.

    It is brought to the size that the codec makes; what does not fit that shape is cut off at both sides, with a
    warning. Of a clip the most frames are taken that make whole latent frames.

    Raises:
        ValueError: the file cannot be read.
    """
    frames = to_float(_read_start(path)).to(streamer.device)
    blank = torch.zeros(1, 1, *streamer.geometry.frame_shape, device=streamer.device)
    height, width = streamer.codec.decode(blank).shape[-2:]
    whole = max(n for n in map(streamer.codec.video_frames, range(1, len(frames) + 1)) if n <= len(frames))
    sized = cropped(frames[:whole], height, width, str(path))
    return streamer.codec.encode(sized[None]).expand(batch, -1, -1, -1, -1)


def cropped(frames: Tensor, height: int, width: int, name: str) -> Tensor:
    """Frames [frame, 3, ...] scaled to cover `height` x `width`, and cut to it in the middle."""
    rows, columns = frames.shape[-2:]
    scale = max(height / rows, width / columns)
    covering = (max(height, round(rows * scale)), max(width, round(columns * scale)))
    if covering[0] > 1.01 * height or covering[1] > 1.01 * width:
        warnings.warn(
            f"{name} is {rows} x {columns}; videos are {height} x {width}, so {covering[0] - height} of "
            f"{covering[0]} rows and {covering[1] - width} of {covering[1]} columns are cut off",
            stacklevel=2,
        )
    sized = torch.nn.functional.interpolate(frames, size=covering, mode="bilinear", antialias=True)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return sized[..., top : top + height, left : left + width]


def _read_start(path: Path) -> Frames:
    if path.suffix.lower() not in PICTURES:
        return read_clip(path).frames
    import numpy as np
    from PIL import Image

    try:
        picture = np.array(Image.open(path).convert("RGB"))
    except OSError as error:
        raise ValueError(
            f"{path}: not a readable picture ({error}); allowed: {', '.join(PICTURES)}, or a clip"
        ) from error
    return torch.from_numpy(picture).permute(2, 0, 1)[None]
