"""Pictures and clips that videos are to continue."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.shapes import Geometry, Latents
from reward_forcing.videos import Frames, probe, read_pieces, to_float

PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

READ_AT_ONCE: Final = 8
"""Video frames."""


@dataclass(frozen=True)
class Start:
    """The beginning of videos: latents that are made part by part, as they are asked for, however many there are.

    Args:
        frames: latent frames together.
        make: begins to make them, in parts of any lengths.
    """

    frames: int
    make: Callable[[], Iterable[Latents]] = tuple

    @staticmethod
    def of(latents: Latents) -> "Start":
        """Latents that are there already."""
        return Start(latents.shape[1], lambda: (latents,))

    def parts(self, size: int) -> Iterator[Latents]:
        """All of it in parts of `size` frames, a shorter one first if they do not divide."""
        wanted = self.frames % size or size
        held: list[Tensor] = []
        for made in self.make():
            held.append(made)
            while sum(part.shape[1] for part in held) >= wanted:
                whole = torch.cat(held, 1)
                yield whole[:, :wanted]
                held, wanted = [whole[:, wanted:]], size


@torch.inference_mode()
def encode_start(path: Path, codec: LatentCodec, geometry: Geometry, *, batch: int, device: torch.device) -> Start:
    """A picture or clip as the beginning of each of `batch` videos.

    It is brought to the size that the codec makes; what does not fit that shape is cut off at both sides, with a
    warning. Of a clip the most frames are taken that make whole latent frames; they are read and encoded a chunk at a
    time, and what is encoded is not kept.

    Raises:
        ValueError: the file cannot be read.
    """
    blank = torch.zeros(1, 1, *geometry.frame_shape, device=device)
    height, width = codec.decode(blank).shape[-2:]
    source = source_at(path)
    frames = max(n for n in range(1, source.frames + 1) if codec.video_frames(n) <= source.frames)
    _tell_what_is_cut(path, (source.height, source.width), (height, width))

    @torch.inference_mode()
    def make() -> Iterator[Latents]:
        """Encoded once, and shown to every video of the batch."""
        parts = regrouped(source.pieces(), _video_sizes(codec, frames, geometry.chunk_frames))
        for latents in codec.encode_parts(cropped(to_float(part).to(device), height, width)[None] for part in parts):
            yield latents.expand(batch, -1, -1, -1, -1)

    return Start(frames, make)


@dataclass(frozen=True)
class Source:
    """Frames in a file, and how to read them in pieces."""

    frames: int
    height: int
    width: int
    pieces: Callable[[], Iterable[Frames]]


def source_at(path: Path) -> Source:
    """Look into a picture or a clip. Raises ValueError when it cannot be read."""
    if path.suffix.lower() in PICTURES:
        picture = _read_picture(path)
        height, width = picture.shape[-2:]
        return Source(1, height, width, lambda: (picture,))
    found = probe(path)
    return Source(found.frames, found.height, found.width, lambda: read_pieces(path, READ_AT_ONCE))


def _read_picture(path: Path) -> Frames:
    import numpy as np
    from PIL import Image

    try:
        picture = np.array(Image.open(path).convert("RGB"))
    except OSError as error:
        raise ValueError(
            f"{path}: not a readable picture ({error}); allowed: {', '.join(PICTURES)}, or a clip"
        ) from error
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def _video_sizes(codec: LatentCodec, frames: int, chunk: int) -> list[int]:
    """Video frames of each chunk of so many latent frames."""
    ends = [codec.video_frames(min(end, frames)) for end in range(chunk, frames + chunk, chunk)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def regrouped(pieces: Iterable[Frames], sizes: Iterable[int]) -> Iterator[Frames]:
    """Frames in groups of the given sizes; what comes after them is not read."""
    singles = chain.from_iterable(pieces)
    for size in sizes:
        yield torch.stack(list(islice(singles, size)))


def covering(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """The size of a picture of rows x columns, scaled so that it just covers height x width."""
    scale = max(height / rows, width / columns)
    return max(height, round(rows * scale)), max(width, round(columns * scale))


def cropped(frames: Tensor, height: int, width: int) -> Tensor:
    """Frames [frame, 3, ...] scaled to cover `height` x `width`, and cut to it in the middle."""
    rows, columns = frames.shape[-2:]
    size = covering(rows, columns, height, width)
    sized = torch.nn.functional.interpolate(frames, size=size, mode="bilinear", antialias=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return sized[..., top : top + height, left : left + width]


def _tell_what_is_cut(path: Path, given: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Warn when more than a hundredth of a side is cut off."""
    size = covering(*given, *wanted)
    if size[0] > 1.01 * wanted[0] or size[1] > 1.01 * wanted[1]:
        warnings.warn(
            f"{path} is {given[0]} x {given[1]}; videos are {wanted[0]} x {wanted[1]}, so {size[0] - wanted[0]} of "
            f"{size[0]} rows and {size[1] - wanted[1]} of {size[1]} columns are cut off",
            stacklevel=3,
        )
