"""Damage done to true videos on purpose, by how much: what metrics are validated with (`sensitivity`).

Severity 0 changes nothing, 1 is plainly broken. Most work on the frames of any video, two need the toy world's state.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import conv2d, pad

from reward_forcing.toy.captions import COLOURS, SHAPES
from reward_forcing.toy.render import render
from reward_forcing.toy.world import States
from reward_forcing.videos import Frames, to_uint8

SLOWEST: Final = 0.5
"""Share of the speed that is left."""
PERIOD: Final = 15
"""Frames between resets: five chunks."""
FLASH: Final = 1 / 6
"""Share of the video that is a flashback."""
TINT: Final = (25.0, -25.0, 25.0)
"""Levels, at the end of the video."""
GLARE: Final = 60.0
"""Levels, at the end of the video."""
FADE: Final = 0.6
"""Share of the contrast that is lost at the end of the video."""
BLUR: Final = 2.0
"""Standard deviation in pixels of a picture of 32 pixels a side, at the end of the video."""
NOISE: Final = 12.0
"""Levels."""
SHAKE: Final = 1 / 16
"""Of the shorter side, to either side."""
AWAY: Final = -1000.0
"""Pixels: far outside."""


def frozen(frames: Frames, severity: float) -> Frames:
    """This share of the video, at its end, stands still."""
    return frames[_time(frames).clamp(max=_last_good(frames, severity))]


def slowed(frames: Frames, severity: float) -> Frames:
    """Played slower, at half the speed at worst."""
    return frames[(_time(frames) * (1 - severity * (1 - SLOWEST))).long()]


def reset(frames: Frames, severity: float) -> Frames:
    """Starts again every PERIOD frames, less often at smaller severities."""
    period = len(frames) if severity == 0 else round(PERIOD / severity)
    return frames[_time(frames) % period]


def flashback(frames: Frames, severity: float) -> Frames:
    """Shows its beginning again in the middle, for up to a sixth of its length, then goes on."""
    length, middle = round(severity * FLASH * len(frames)), len(frames) // 2
    time = _time(frames)
    return frames[torch.where((time >= middle) & (time < middle + length), time - middle, time)]


def colour_drift(frames: Frames, severity: float) -> Frames:
    """Turns violet by and by."""
    return _levels(frames + severity * _rising(frames) * torch.tensor(TINT)[:, None, None])


def brightening(frames: Frames, severity: float) -> Frames:
    """Gets over-exposed by and by."""
    return _levels(frames + severity * GLARE * _rising(frames))


def fading(frames: Frames, severity: float) -> Frames:
    """Loses its contrast by and by."""
    grey = frames.float().mean((2, 3), keepdim=True)
    return _levels(torch.lerp(frames.float(), grey, severity * FADE * _rising(frames)))


def blur(frames: Frames, severity: float) -> Frames:
    """Gets out of focus by and by."""
    widest = severity * BLUR * min(frames.shape[-2:]) / 32
    widths = (widest * torch.linspace(0, 1, len(frames))).tolist()
    return torch.stack([_blurred(frame, width) for frame, width in zip(frames, widths, strict=True)])


def noise(frames: Frames, severity: float) -> Frames:
    """Has grain, the same amount all along."""
    return _levels(frames + severity * NOISE * torch.randn(frames.shape, generator=_generator()))


def jitter(frames: Frames, severity: float) -> Frames:
    """This share of the video, at its end, shakes instead of moving."""
    still, far = frozen(frames, severity), round(SHAKE * min(frames.shape[-2:]))
    shifts = torch.randint(-far, far + 1, (len(frames), 2), generator=_generator())
    shifts[_time(frames) <= _last_good(frames, severity)] = 0
    padded = pad(still.float(), (far,) * 4, mode="replicate").to(torch.uint8)
    height, width = frames.shape[-2:]
    moved = [frame[:, far + y :, far + x :] for frame, (y, x) in zip(padded, shifts.tolist(), strict=True)]
    return torch.stack([frame[:, :height, :width] for frame in moved])


def identity_switch(states: States, severity: float) -> Frames:
    """Up to half of the video, at its end, has a sprite of another colour and shape."""
    late = _late(states, severity)
    colour = torch.where(late, (states.colour + len(COLOURS) // 2) % len(COLOURS), states.colour)
    shape = torch.where(late, (states.shape + 1) % len(SHAPES), states.shape)
    return _rendered(replace(states, colour=colour, shape=shape))


def vanish(states: States, severity: float) -> Frames:
    """Up to half of the video, at its end, has no sprite."""
    gone = torch.where(_late(states, severity)[..., None], AWAY, states.centre)
    return _rendered(replace(states, centre=gone))


@dataclass(frozen=True)
class Corruption:
    """A damage by name. Takes the state of one toy video and a severity, 0 to 1."""

    name: str
    damage: Callable[[States, float], Frames]

    def __call__(self, states: States, severity: float) -> Frames:
        """The damaged video. Raises ValueError for a severity outside 0 to 1."""
        if not 0 <= severity <= 1:
            raise ValueError(f"corruption {self.name!r}: severity is {severity}; allowed: 0 to 1")
        return self.damage(states, severity)


OnFrames: TypeAlias = Callable[[Frames, float], Frames]


def on_frames(damage: OnFrames) -> Callable[[States, float], Frames]:
    """A damage to frames as one to a toy video's state."""
    return lambda states, severity: damage(_rendered(states), severity)


CORRUPTIONS: Final = (
    Corruption("frozen", on_frames(frozen)),
    Corruption("slowed", on_frames(slowed)),
    Corruption("reset", on_frames(reset)),
    Corruption("flashback", on_frames(flashback)),
    Corruption("colour drift", on_frames(colour_drift)),
    Corruption("brightening", on_frames(brightening)),
    Corruption("fading", on_frames(fading)),
    Corruption("blur", on_frames(blur)),
    Corruption("noise", on_frames(noise)),
    Corruption("jitter", on_frames(jitter)),
    Corruption("identity switch", identity_switch),
    Corruption("vanish", vanish),
)


def _rendered(states: States) -> Frames:
    return to_uint8(render(states))[0]


def _time(frames: Frames) -> Int[Tensor, " frame"]:
    return torch.arange(len(frames))


def _rising(frames: Frames) -> Float[Tensor, "frame 1 1 1"]:
    return torch.linspace(0, 1, len(frames))[:, None, None, None]


def _last_good(frames: Frames, severity: float) -> int:
    return round((1 - severity) * (len(frames) - 1))


def _late(states: States, severity: float) -> Tensor:
    """The frames [1, frame] of the last half of this share of the video."""
    count = states.centre.shape[1]
    return (torch.arange(count) >= count - round(severity * count / 2))[None]


def _levels(frames: Float[Tensor, "frame 3 height width"]) -> Frames:
    return frames.round().clamp(0, 255).to(torch.uint8)


def _blurred(frame: Tensor, width: float) -> Tensor:
    """Gaussian blur of [3, height, width] levels; edges are continued."""
    if width < 0.05:
        return frame
    reach = max(1, round(3 * width))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / width) ** 2)
    taps = taps / taps.sum()
    padded = pad(frame[:, None].float(), (reach,) * 4, mode="replicate")
    rows = conv2d(padded, taps[None, None, :, None])
    return conv2d(rows, taps[None, None, None])[:, 0].round().clamp(0, 255).to(torch.uint8)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
