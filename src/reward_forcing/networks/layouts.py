"""Which frames see which, and where they stand in time, when a clip is processed in one forward pass."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.shapes import FrameMask


@dataclass(frozen=True)
class Layout:
    """The frames of one forward pass.

    Args:
        positions: place in time of each frame.
        mask: which frames each frame may look at; None: all.
    """

    positions: Float[Tensor, " frame"]
    mask: FrameMask | None = None


def bidirectional(frames: int) -> Layout:
    """Every frame sees every frame: the teacher and the fake score."""
    return Layout(torch.arange(frames).float())


def block_causal(frames: int, chunk_frames: int, window_frames: int | None = None) -> Layout:
    """A chunk sees itself and earlier chunks; with a window, only the last `window_frames` up to its own end.

    Raises:
        ValueError: chunks do not fill the clip.
    """
    end = _chunk_ends(frames, chunk_frames)[:, None]
    key = torch.arange(frames)[None]
    first = 0 if window_frames is None else end - window_frames
    return Layout(torch.arange(frames).float(), (key < end) & (key >= first))


def teacher_forcing(frames: int, chunk_frames: int) -> Layout:
    """Clean frames followed by the same frames noisy, both at positions 0, 1, 2, ...

    A clean chunk sees clean frames up to its own end. A noisy chunk sees itself and the clean frames of strictly
    earlier chunks. Only the noisy half of the output means anything.

    Raises:
        ValueError: chunks do not fill the clip.
    """
    end = _chunk_ends(frames, chunk_frames)[:, None]
    key = torch.arange(frames)[None]
    causal, earlier = key < end, key < end - chunk_frames
    own = causal & ~earlier
    mask = torch.cat([torch.cat([causal, torch.zeros_like(causal)], 1), torch.cat([earlier, own], 1)])
    return Layout(torch.arange(frames).repeat(2).float(), mask)


def _chunk_ends(frames: int, chunk_frames: int) -> Tensor:
    if frames % chunk_frames:
        raise ValueError(f"layout: {frames} frames; they must be a multiple of chunk_frames ({chunk_frames})")
    return (torch.arange(frames) // chunk_frames + 1) * chunk_frames
