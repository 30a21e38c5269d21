"""Rotary position embedding over frame, row and column (as in Wan2.1)."""

from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Complex, Float
from torch import Tensor

THETA = 10_000.0
TABLES: Final = 8
"""Rotations that are kept: of the passes of a clip, or of a stream whose window fills."""


def axis_dims(head_dim: int) -> tuple[int, int, int]:
    """How many of a head's dimensions encode frame, row and column.

    >>> axis_dims(128)
    (44, 42, 42)
    """
    space = 2 * (head_dim // 6)
    return head_dim - 2 * space, space, space


def frequencies(dim: int) -> Float[Tensor, " pair"]:
    """Angular frequencies of the `dim / 2` pairs of one axis: `theta^(-2j / dim)`, in fp64."""
    return THETA ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)


def rotations(
    positions: Float[Tensor, " frame"], rows: int, columns: int, head_dim: int
) -> Complex[Tensor, "frame token 1 pair"]:
    """Unit complex numbers that turn each pair of a head's dimensions, for every token of every frame.

    Args:
        positions: the frames' places in time.
        rows: rows of tokens in a frame.
        columns: columns of tokens in a frame; tokens run along columns first.
        head_dim: dimensions of an attention head.
    """
    frame_dim, row_dim, column_dim = axis_dims(head_dim)
    shape = (len(positions), rows, columns, -1)
    angles = torch.cat(
        [
            torch.outer(positions.double(), frequencies(frame_dim))[:, None, None].expand(shape),
            torch.outer(torch.arange(rows).double(), frequencies(row_dim))[None, :, None].expand(shape),
            torch.outer(torch.arange(columns).double(), frequencies(column_dim))[None, None].expand(shape),
        ],
        -1,
    ).flatten(1, 2)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)[:, :, None]


@lru_cache(TABLES)
def turns_of(
    places: tuple[float, ...], rows: int, columns: int, head_dim: int, device: torch.device
) -> Complex[Tensor, "frame token 1 pair"]:
    """`rotations` of frames at some places in time, on a device; made once for as long as they are asked for again."""
    with torch.inference_mode(mode=False):  # training may be the next to ask
        return rotations(torch.tensor(places), rows, columns, head_dim).to(device)


def rotate(
    states: Float[Tensor, "batch frame token head dim"], turns: Complex[Tensor, "frame token 1 pair"]
) -> Float[Tensor, "batch frame token head dim"]:
    """Turn neighbouring pairs of dimensions (0, 1), (2, 3), ... of queries or keys; computed in fp32."""
    pairs = torch.view_as_complex(states.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(states.dtype)
