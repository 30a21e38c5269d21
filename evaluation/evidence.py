"""What metrics look at: some frames of finished videos, with what the whole videos began with and were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jaxtyping import UInt8
from torch import Tensor

from reward_forcing.toy.captions import parse
from reward_forcing.toy.tracker import Track, track, window
from reward_forcing.toy.world import SIZE
from reward_forcing.videos import to_float

FIRST_CHUNK: Final = 3
"""Video frames at the start that later ones are compared with."""


@dataclass(frozen=True)
class Evidence:
    """Frames of a batch of videos of one length, as levels 0 to 255."""

    frames: UInt8[Tensor, "clip frame 3 height width"]
    first: UInt8[Tensor, "clip first_frame 3 height width"]
    """The first chunk of the whole videos, whatever part of them `frames` is."""
    prompts: tuple[str, ...]
    track: Track | None
    """What the toy world's tracker saw in `frames`; None for videos of other worlds."""

    def between(self, start: int, stop: int) -> "Evidence":
        """Frames start..stop-1; references stay those of the whole videos."""
        part = None if self.track is None else window(self.track, start, stop)
        return replace(self, frames=self.frames[:, start:stop], track=part)

    @property
    def toy(self) -> Track:
        """The track. Raises ValueError for videos of other worlds."""
        if self.track is None:
            raise ValueError(
                f"these videos ({self.prompts[0]!r}, ...) are not of the toy world; metrics of kind 'toy' need it"
            )
        return self.track


def look(frames: UInt8[Tensor, "clip frame 3 height width"], prompts: Sequence[str]) -> Evidence:
    """Prepare whole videos for metrics; the toy world's tracker runs once, if all of them are of that world.

    Raises:
        ValueError: not one prompt a video, or frames that are not uint8 [clip, frame, 3, height, width].
    """
    if frames.ndim != 5 or frames.shape[2] != 3 or str(frames.dtype) != "torch.uint8":
        raise ValueError(
            f"videos are {frames.dtype} {tuple(frames.shape)}; allowed: uint8 [clip, frame, 3, height, width]"
        )
    if len(prompts) != len(frames):
        raise ValueError(f"{len(prompts)} prompts for {len(frames)} videos; there must be one a video")
    toy = all(is_toy(prompt, frames.shape[-2:]) for prompt in prompts)
    seen = track(to_float(frames), prompts) if toy else None
    return Evidence(frames, frames[:, :FIRST_CHUNK], tuple(prompts), seen)


def is_toy(prompt: str, size: Sequence[int] = (SIZE, SIZE)) -> bool:
    """Whether a video of this size (height, width) under this prompt belongs to the toy world."""
    try:
        parse(prompt)
    except ValueError:
        return False
    return tuple(size) == (SIZE, SIZE)
