"""What a viewer would see who watches a video while it comes."""

from collections.abc import Sequence

import numpy as np


def stalls(seconds: Sequence[float], frames: Sequence[int], playback: float, buffer: float = 0.0) -> tuple[int, float]:
    """Play chunks while they come, from `buffer` seconds after the first one on.

    Args:
        seconds: from each request to its chunk; the next is asked for at once.
        frames: in each chunk.
        playback: frames per second.
        buffer: seconds between having the first chunk and showing it.

    Returns:
        How often the player waited for a chunk, and for how many seconds in all.
    """
    arrived = np.cumsum(seconds)
    due, count, waited = arrived[0] + buffer, 0, 0.0
    for arrival, shown in zip(arrived, frames, strict=True):
        late = arrival - due
        if late > 1e-9:
            count, waited, due = count + 1, waited + float(late), arrival
        due += shown / playback
    return count, waited


def buffer_needed(seconds: Sequence[float], frames: Sequence[int], playback: float) -> float:
    """The shortest start-up buffer, in seconds, with which `stalls` are none."""
    arrived = np.cumsum(seconds) - seconds[0]
    due = np.cumsum([0, *frames[:-1]]) / playback
    return float(max(0.0, (arrived - due).max()))
