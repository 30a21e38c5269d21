"""A stamp of the very frames that were timed: fast noise is no speed.

No weights are needed: contrast, sharpness, likeness of neighbouring pixels and change between frames, and in the toy
world whether there is one sprite. Of long chunks only the last two frames are looked at; the digest is of all.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.evidence import is_toy
from reward_forcing.toy.tracker import track
from reward_forcing.videos import to_float

LEAST_CONTRAST: Final = 2.0
"""Levels of 255: the standard deviation of a frame below which it is taken for one colour."""
LEAST_LIKENESS: Final = 0.3
"""Correlation of neighbouring pixels below which a frame is taken for noise (white noise: 0; pictures: above 0.8)."""
LEAST_PRESENCE: Final = 0.5
"""Share of frames in which the toy world's one sprite must be seen."""

Levels = UInt8[Tensor, "video frame 3 height width"]


@dataclass(frozen=True)
class Stamp:
    """What the frames of one run were."""

    digest: str
    """SHA-256 of all levels, frame by frame: however they were chunked."""
    frames: int
    contrast: float
    """Standard deviation of the levels of a frame, mean."""
    sharpness: float
    """Mean difference between neighbouring pixels, in levels."""
    likeness: float
    """Correlation between neighbouring pixels, mean."""
    change: float
    """Mean difference between neighbouring frames, in levels; NaN for one frame."""
    presence: float
    """Share of frames that show one sprite; NaN outside the toy world."""
    finite: bool
    """Whether all values were numbers."""

    @property
    def suspicions(self) -> list[str]:
        """Why a speed with such frames should not be believed; empty if nothing is wrong."""
        found = {
            "values that are no numbers": not self.finite,
            "hardly any contrast": self.contrast < LEAST_CONTRAST,
            "noise: neighbouring pixels are not alike": self.likeness < LEAST_LIKENESS
            and self.contrast >= LEAST_CONTRAST,
            "a frozen picture": self.change == 0,
            f"one sprite in only {self.presence:.0%} of the frames": self.presence < LEAST_PRESENCE,
        }
        return [words for words, suspicious in found.items() if suspicious]


@dataclass
class Stamping:
    """Makes the stamp of a run, chunk by chunk, in memory that does not grow (toy videos apart, which are tiny).

    Args:
        prompt: of the video; decides whether it is the toy world's.
    """

    prompt: str = ""
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _seen: list[dict[str, float]] = field(default_factory=list)
    _toy: list[Levels] = field(default_factory=list)
    _last: Levels | None = None
    _frames: int = 0
    _finite: bool = True

    def add(self, levels: Levels, *, finite: bool = True) -> None:
        """The next chunk, on the host; of several videos the first is looked at."""
        self._hash.update(levels.transpose(0, 1).contiguous().numpy().tobytes())
        one = levels[:1]
        self._frames, self._finite = self._frames + one.shape[1], self._finite and finite
        pair = one[:, -2:] if one.shape[1] > 1 or self._last is None else torch.cat([self._last, one], 1)
        self._seen.append(look(pair))
        self._last = one[:, -1:]
        if is_toy(self.prompt, levels.shape[-2:]):
            self._toy.append(one)

    def stamp(self) -> Stamp:
        """Of all chunks so far.

        Raises:
            ValueError: there are none.
        """
        if not self._seen:
            raise ValueError("speed: there are no frames to stamp; at least one chunk is needed")
        means = {name: _mean([seen[name] for seen in self._seen]) for name in self._seen[0]}
        presence = float("nan")
        if self._toy:
            presence = float(track(to_float(torch.cat(self._toy, 1)), [self.prompt]).one.float().mean())
        return Stamp(self._hash.hexdigest(), self._frames, presence=presence, finite=self._finite, **means)


def look(pair: Levels) -> dict[str, float]:
    """Contrast, sharpness, likeness and change of one or two neighbouring frames of one video."""
    frames = pair[0].float()
    change = frames.diff(dim=0).abs().mean().item() if len(frames) > 1 else float("nan")
    sharpness = _neighbours(frames.diff(dim=-1).abs(), frames.diff(dim=-2).abs())
    return {
        "contrast": frames.flatten(2).std(2, correction=0).mean().item(),
        "sharpness": sharpness,
        "likeness": likeness(frames),
        "change": change,
    }


def likeness(frames: Float[Tensor, "frame 3 height width"]) -> float:
    """Mean correlation of pixels with their right and lower neighbours, over the whole frame; 0 for one colour."""
    centred = frames - frames.mean((2, 3), keepdim=True)
    variance = centred.square().mean((2, 3)).clamp(min=1e-6)
    across = (centred[..., 1:] * centred[..., :-1]).mean((2, 3)) / variance
    down = (centred[..., 1:, :] * centred[..., :-1, :]).mean((2, 3)) / variance
    return _neighbours(across, down)


def _neighbours(across: Tensor, down: Tensor) -> float:
    """The mean of what was found in both directions; frames of one row or column have only one."""
    found = [values.mean().item() for values in (across, down) if values.numel()]
    return sum(found) / max(len(found), 1)


def _mean(values: Sequence[float]) -> float:
    known = torch.tensor([value for value in values if not math.isnan(value)])
    return float(known.mean()) if len(known) else float("nan")
