"""Arithmetic on pixels of any world. Frames are levels 0 to 255, uint8 or float."""

from typing import Final

from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

THUMBNAIL: Final = 8
"""Rows and columns of a thumbnail."""


def change(
    before: UInt8[Tensor, "*frame 3 height width"], after: UInt8[Tensor, "*frame 3 height width"]
) -> Float[Tensor, "*frame"]:
    """Mean absolute difference of two frames, in levels."""
    return (after.float() - before.float()).abs().mean((-3, -2, -1))


def frame_difference(frames: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip frame-1"]:
    """Mean absolute change between neighbouring frames, in levels. Any change counts: motion, flicker, cuts."""
    return change(frames[:, :-1], frames[:, 1:])


def temporal_flickering(difference: Float[Tensor, "*pair"]) -> Float[Tensor, "*pair"]:
    """(255 - mean absolute change) / 255, after VBench; 1 for a frozen video, so never to be read without motion."""
    return 1 - difference / 255


def sink_similarity(
    frames: UInt8[Tensor, "clip frame 3 height width"], first: UInt8[Tensor, "clip first_frame 3 height width"]
) -> Float[Tensor, "clip frame"]:
    """Correlation of every frame with the most similar frame of the first chunk, pixel on pixel, -1 to 1.

    1 means a copy of the beginning; frames without any contrast have similarity 0.
    """
    later, start = (_standardised(part) for part in (frames, first))
    return (later @ start.transpose(1, 2)).amax(2)


def thumbnails(frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame pixel"]:
    """Grey pictures of 8 x 8 pixels in [0, 1], flattened: features that need no network."""
    small: Tensor = adaptive_avg_pool2d(frames.float().mean(1, keepdim=True) / 255, THUMBNAIL)
    return small.flatten(1)


def _standardised(frames: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip frame pixel"]:
    flat = frames.float().flatten(2)
    centred = flat - flat.mean(2, keepdim=True)
    length: Tensor = centred.norm(dim=2, keepdim=True)
    return centred / length.clamp(min=1e-6)
