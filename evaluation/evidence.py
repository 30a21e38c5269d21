"""What metrics look at: the signals of some part of finished videos, with what the videos were asked to be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.instruments import BUILT_IN
from evaluation.signals import PIECE, Asked, Batch, Extractor, Signal
from reward_forcing.toy.captions import parse
from reward_forcing.toy.tracker import Track, track, window
from reward_forcing.toy.world import SIZE
from reward_forcing.videos import to_float


@dataclass(frozen=True)
class Evidence:
    """A part of a batch of videos of one length."""

    asked: Asked
    start: int
    stop: int
    """The part: frames start..stop-1."""
    signals: Mapping[str, Signal] = field(repr=False)
    frames: UInt8[Tensor, "clip frame 3 height width"] | None
    """Levels 0 to 255, for videos of the toy world; others are too large to be held."""
    track: Track | None
    """What the toy world's tracker saw; None for videos of other worlds."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a video."""
        return self.asked.prompts

    @property
    def length(self) -> int:
        """Frames of this part."""
        return self.stop - self.start

    def between(self, start: int, stop: int) -> "Evidence":
        """Frames start..stop-1 of this part; references stay those of the whole videos."""
        first, last = self.start + start, self.start + stop
        return replace(
            self,
            start=first,
            stop=last,
            signals={name: signal.between(first, last) for name, signal in self.signals.items()},
            frames=None if self.frames is None else self.frames[:, start:stop],
            track=None if self.track is None else window(self.track, start, stop),
        )

    def signal(self, name: str) -> Float[Tensor, "clip row *feature"]:
        """The rows of a signal about this part. Raises ValueError if no instrument gave it."""
        if name not in self.signals:
            raise ValueError(f"no instrument saw {name!r}; seen: {', '.join(self.signals)}")
        return self.signals[name].values

    def overall(self, name: str) -> Float[Tensor, "clip *feature"]:
        """The row of a signal about exactly this part, taken as a whole; NaN where it was not looked at so."""
        return self.signals[name].exactly(self.start, self.stop)

    @property
    def notes(self) -> tuple[str, ...]:
        """What kept instruments from looking."""
        return tuple(dict.fromkeys(signal.note for signal in self.signals.values() if signal.note))

    @property
    def toy(self) -> Track:
        """The track. Raises ValueError for videos of other worlds."""
        if self.track is None:
            raise ValueError(
                f"these videos ({self.prompts[0]!r}, ...) are not of the toy world; metrics of kind 'toy' need it"
            )
        return self.track


def observe(pieces: Iterable[Batch], asked: Asked, instruments: Mapping[str, Extractor] = BUILT_IN) -> Evidence:
    """Let videos pass by all instruments, and the toy world's tracker if all of them are of that world.

    Args:
        pieces: the frames of all videos, in order, some at a time.
        asked: what the videos should be.
        instruments: by name.

    Raises:
        ValueError: frames that are not uint8 [clip, frame, 3, height, width], not one prompt a video, or more or
            fewer frames than asked for.
    """
    watchers = {name: watcher for extract in instruments.values() for name, watcher in extract(asked).items()}
    held: list[Tensor] = []
    toy, seen = False, 0
    for frames in pieces:
        _check(frames, asked)
        toy = all(is_toy(prompt, frames.shape[-2:]) for prompt in asked.prompts)
        held += [frames] if toy else []
        for watcher in watchers.values():
            watcher.see(frames)
        seen += frames.shape[1]
    if seen != asked.frames:
        raise ValueError(f"the video breaks off: {seen} frames of {asked.frames} can be read")
    whole = torch.cat(held, 1) if toy else None
    followed = None if whole is None else track(to_float(whole), asked.prompts)
    signals = {name: watcher.signal() for name, watcher in watchers.items()}
    return Evidence(asked, 0, seen, signals, whole, followed)


def look(
    frames: Batch,
    prompts: Sequence[str],
    *,
    fps: float = 8.0,
    windows: Sequence[tuple[int, int]] = (),
    details: Sequence[Mapping[str, Any]] = (),
    instruments: Mapping[str, Extractor] = BUILT_IN,
) -> Evidence:
    """As `observe`, for whole videos in memory."""
    length = frames.shape[1] if frames.ndim == 5 else 0
    asked = Asked(tuple(prompts), length, fps, (*windows, (0, length)), tuple(details))
    return observe(frames.split(PIECE, 1) if frames.ndim == 5 else [frames], asked, instruments)


def _check(frames: Tensor, asked: Asked) -> None:
    if frames.ndim != 5 or frames.shape[2] != 3 or frames.dtype != torch.uint8:
        raise ValueError(
            f"videos are {frames.dtype} {tuple(frames.shape)}; allowed: uint8 [clip, frame, 3, height, width]"
        )
    if len(asked.prompts) != len(frames):
        raise ValueError(f"{len(asked.prompts)} prompts for {len(frames)} videos; there must be one a video")


def is_toy(prompt: str, size: Sequence[int] = (SIZE, SIZE)) -> bool:
    """Whether a video of this size (height, width) under this prompt belongs to the toy world."""
    try:
        parse(prompt)
    except ValueError:
        return False
    return tuple(size) == (SIZE, SIZE)
