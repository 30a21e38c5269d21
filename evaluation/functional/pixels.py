"""Arithmetic on pixels of any world. Frames are levels 0 to 255, uint8 or float."""

from jaxtyping import Float, UInt8
from torch import Tensor


def frame_difference(frames: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip frame-1"]:
    """Mean absolute change between neighbouring frames, in levels. Any change counts: motion, flicker, cuts."""
    return frames.float().diff(dim=1).abs().mean((2, 3, 4))


def temporal_flickering(frames: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, " clip"]:
    """(255 - mean absolute change) / 255, after VBench; 1 for a frozen video, so never to be read without motion."""
    return 1 - frame_difference(frames).mean(1) / 255


def sink_similarity(
    frames: UInt8[Tensor, "clip frame 3 height width"], first: UInt8[Tensor, "clip first_frame 3 height width"]
) -> Float[Tensor, "clip frame"]:
    """Correlation of every frame with the most similar frame of the first chunk, pixel on pixel, -1 to 1.

    1 means a copy of the beginning; frames without any contrast have similarity 0.
    """
    later, start = (_standardised(part) for part in (frames, first))
    return (later @ start.transpose(1, 2)).amax(2)


def _standardised(frames: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip frame pixel"]:
    flat = frames.float().flatten(2)
    centred = flat - flat.mean(2, keepdim=True)
    length: Tensor = centred.norm(dim=2, keepdim=True)
    return centred / length.clamp(min=1e-6)
