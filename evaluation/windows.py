"""Parts of a video that are scored on their own."""

from dataclasses import dataclass
from typing import Final

CLIP: Final = "clip"
PARTS: Final = ("early", "middle", "late")
WHOLE: Final = "all"
WHOLES: Final = (WHOLE, CLIP)
"""Parts that metrics of whole videos can score."""


@dataclass(frozen=True)
class Cut:
    """How videos are cut into windows, in video frames.

    Args:
        clip: the length models were trained on; as many first frames are the window "clip".
        length: of the sliding windows behind curves and drift; motion over 12 frames needs more than 12.
        hop: from one sliding window to the next.
    """

    clip: int = 21
    length: int = 24
    hop: int = 12

    def __post_init__(self) -> None:
        """Raise ValueError for a size below 1."""
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"windows.{name} is {value}; it must be at least 1")


@dataclass(frozen=True)
class Window:
    """Frames start..stop-1 of a video. `name` is "all", "clip", "early", "middle", "late", or "" for a sliding one."""

    name: str
    start: int
    stop: int


def cut(frames: int, how: Cut) -> tuple[Window, ...]:
    """All windows of a video: the whole, its first clip, its thirds, and sliding ones (one if the video is short)."""
    third = frames / len(PARTS)
    thirds = [Window(name, round(i * third), round((i + 1) * third)) for i, name in enumerate(PARTS)]
    starts = range(0, max(frames - how.length, 0) + 1, how.hop)
    sliding = [Window("", start, min(start + how.length, frames)) for start in starts]
    return (Window(WHOLE, 0, frames), Window(CLIP, 0, min(how.clip, frames)), *thirds, *sliding)
