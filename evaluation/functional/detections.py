"""Scores of videos from what a detector found in their frames. Boxes are left, top, right, bottom; NaN: there is none.

They ask what VBench's dimensions of the same names ask, of another detector and not by its rules: a frame in which
nothing was found counts as 0 for colour (VBench leaves such videos out, which rewards failure), and directions are
checked (for VBench left is as good as right).
"""

from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

APART: Final = 0.1
"""Boxes that overlap (intersection over union) by less are beside each other, after VBench."""
DIRECTIONS: Final[Mapping[str, tuple[int, int]]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "above": (0, -1),
    "bottom": (0, 1),
    "below": (0, 1),
}
"""Where the first object is, seen from the second: steps right and down, by a word of the relationship."""


def direction_of(relationship: str) -> tuple[int, int] | None:
    """Where the first object should be; None for a relationship that is not known.

    >>> direction_of("on the left of"), direction_of("behind")
    ((-1, 0), None)
    """
    return next((DIRECTIONS[word] for word in relationship.lower().split() if word in DIRECTIONS), None)


def present(boxes: Float[Tensor, "*frame box 4"]) -> Bool[Tensor, "*frame"]:
    """Where an object was found."""
    return ~boxes.isnan().any(-1).all(-1)


def object_share(boxes: Float[Tensor, "frame box 4"]) -> float:
    """Share of frames in which an object was found."""
    return float(present(boxes).float().mean())


def both_share(one: Float[Tensor, "frame box 4"], other: Float[Tensor, "frame box 4"]) -> float:
    """Share of frames in which two objects were found."""
    return float((present(one) & present(other)).float().mean())


def colour_share(shares: Float[Tensor, "frame colour"], wanted: int) -> float:
    """Share of frames in which most of an object has a colour; rows without an object are NaN and count as 0."""
    known = ~shares.isnan().any(1)
    return float((known & (shares.nan_to_num().argmax(1) == wanted)).float().mean())


def place_share(
    one: Float[Tensor, "frame box 4"], other: Float[Tensor, "frame box 4"], direction: tuple[int, int]
) -> float:
    """How well the first object is placed beside the second: mean over frames of the best pair of boxes.

    A pair scores 1 where the centres lie in the direction, farther apart along it than across, and the boxes overlap by
    less than APART; APART / overlap where they overlap more; 0 in another direction, or without both.
    """
    a, b = one[:, :, None], other[:, None]
    away = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    axis = 0 if direction[0] else 1
    along, across = away[..., axis] * direction[axis], away[..., 1 - axis]
    right = (along > 0) & (along > across.abs())
    score = torch.where(right, (APART / overlap(a, b).clamp(min=1e-9)).clamp(max=1), 0.0)
    return float(score.flatten(1).amax(1).mean())


def overlap(one: Float[Tensor, "*any 4"], other: Float[Tensor, "*any 4"]) -> Float[Tensor, "*any"]:
    """Intersection over union."""
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (one, other)]
    joined: Tensor = shared / (areas[0] + areas[1] - shared).clamp(min=1e-9)
    return joined
