"""The toy world: scenes as pure functions of (seed, index), with the exact state of every frame.

One sprite bounces over a background of two colours (the palette: uncaptioned, the identity to keep). In the default
world the camera pans over a long diagonal wave; in the plain world the background is a static gradient. Frame t needs
no earlier frame.

    scene  = sample(seed, index)                       # everything about one clip
    scene  = switch(scene, 60, "blue cross fast plain")   # other words from frame 60 on; position and palette go on
    states = trace([scene, ...], 0, 120)               # centre, colour, shape, scroll ... of frames 0..119
    video  = render.render(states)                     # [clip, frame, 3, 32, 32] in [-1, 1]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reward_forcing.toy.captions import COLOURS, PANS, SHAPES, SPRITE_SPEEDS, Caption, parse

SIZE: Final = 32  # pixels per side
WAVELENGTH: Final = 64.0  # of the panned background, pixels along x: twice the view, so that a pan keeps bringing news
SPEED_OF_WORD: Final = {"slow": 0.35, "medium": 0.85, "fast": 1.6}  # sprite, pixels per frame
PAN_OF_WORD: Final = {"pan-still": 0.0, "pan-slow": 0.5, "pan-fast": 1.2, "plain": 0.0}  # camera, pixels per frame


@dataclass(frozen=True)
class WorldConfig:
    """How scenes are distributed. Lengths in pixels, speeds in pixels per frame, colours in [0, 1]."""

    plain_fraction: float = 0.3  # share of clips from the easy world
    any_fraction: float = 0.25  # share of `any` and of `pan-any` words
    radius: tuple[float, float] = (5.6, 6.8)
    speed_spread: float = 0.12  # a captioned speed varies by this fraction
    any_speed: tuple[float, float] = (0.3, 1.8)
    any_pan: tuple[float, float] = (0.0, 1.4)
    dark: tuple[float, float] = (0.34, 0.44)  # luma of the darker palette colour
    bright: tuple[float, float] = (0.56, 0.68)
    chroma: tuple[float, float] = (0.04, 0.08)

    def __post_init__(self) -> None:
        """Raise ValueError for a fraction outside [0, 1]."""
        for name in ("plain_fraction", "any_fraction", "speed_spread"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"WorldConfig.{name} is {getattr(self, name)}; allowed: 0 to 1")


@dataclass(frozen=True)
class Segment:
    """What holds from video frame `start` on: the words and the speeds they were given (pixels per frame)."""

    start: int
    caption: Caption
    sprite_speed: float
    pan_speed: float


@dataclass(frozen=True)
class Scene:
    """One clip of any length. `segments` has one entry unless the prompt is switched; the first starts at frame 0."""

    segments: tuple[Segment, ...]
    radius: float
    position: tuple[float, float]  # centre (x, y) at frame 0, before folding at the walls
    direction: tuple[float, float]  # unit vector of the first flight
    palette: tuple[tuple[float, float, float], tuple[float, float, float]]  # dark and bright colour, [0, 1]
    phase: float  # camera offset at frame 0, pixels; in the plain world it turns the gradient, one turn a wavelength

    @property
    def caption(self) -> str:
        """The first prompt."""
        return str(self.segments[0].caption)

    def caption_at(self, frame: int) -> str:
        """The prompt that holds at this video frame."""
        return str(_segment_at(self, frame).caption)


@dataclass(frozen=True)
class States:
    """The truth about frames start..stop of some clips, enough to render them. Colours in [0, 1], lengths in pixels."""

    centre: Float[Tensor, "clip frame 2"]  # (x, y), the sprite's centroid
    radius: Float[Tensor, " clip"]
    colour: Int[Tensor, "clip frame"]  # index into captions.COLOURS
    shape: Int[Tensor, "clip frame"]  # index into captions.SHAPES
    scroll: Float[Tensor, "clip frame"]  # camera offset since the world's origin
    palette: Float[Tensor, "clip 2 3"]
    plain: Float[Tensor, " clip"]  # 1 for the easy world, 0 for the default one


def sample(seed: int, index: int, config: WorldConfig | None = None, *, caption: str | None = None) -> Scene:
    """Scene number `index` of world `seed`; with `caption`, the same scene under other words."""
    config = config or WorldConfig()
    rng = np.random.default_rng((seed, index))
    drawn = _draw_caption(rng, config)
    words = parse(caption) if caption is not None else drawn
    radius = rng.uniform(*config.radius)
    position = rng.uniform(radius, SIZE - radius, 2)
    angle = rng.uniform(0, 2 * np.pi)
    return Scene(
        segments=(_segment(0, words, rng, config),),
        radius=float(radius),
        position=(float(position[0]), float(position[1])),
        direction=(float(np.cos(angle)), float(np.sin(angle))),
        palette=(_draw_colour(rng, config.dark, config.chroma), _draw_colour(rng, config.bright, config.chroma)),
        phase=float(rng.uniform(0, WAVELENGTH)),
    )


def switch(scene: Scene, frame: int, caption: str, config: WorldConfig | None = None) -> Scene:
    """The same scene with other words from `frame` on: position, direction, radius and palette go on.

    Raises:
        ValueError: `frame` is not after the last switch, or the new words change the kind of background.
    """
    last, words = scene.segments[-1], parse(caption)
    if frame <= last.start:
        raise ValueError(f"switch: frame is {frame}; allowed: above {last.start}, the start of the last segment")
    if words.plain != last.caption.plain:
        raise ValueError(
            f"switch: {caption!r} changes the background kind of {str(last.caption)!r}; allowed: the same kind"
        )
    rng = np.random.default_rng((frame, int(scene.phase * 1e6)))
    return replace(scene, segments=(*scene.segments, _segment(frame, words, rng, config or WorldConfig())))


def trace(scenes: Sequence[Scene], start: int, stop: int) -> States:
    """The exact state of frames start..stop-1 of every scene."""
    times = range(start, stop)
    frames = np.asarray(times)
    centres = [_centre(scene, frames) for scene in scenes]
    return States(
        centre=torch.tensor(np.stack(centres), dtype=torch.float32),
        radius=torch.tensor([scene.radius for scene in scenes], dtype=torch.float32),
        colour=_indices([[COLOURS.index(_segment_at(s, t).caption.colour) for t in times] for s in scenes]),
        shape=_indices([[SHAPES.index(_segment_at(s, t).caption.shape) for t in times] for s in scenes]),
        scroll=torch.tensor(np.stack([s.phase + _travel(s, frames, "pan_speed") for s in scenes]), dtype=torch.float32),
        palette=torch.tensor([scene.palette for scene in scenes], dtype=torch.float32),
        plain=torch.tensor([float(scene.segments[0].caption.plain) for scene in scenes]),
    )


def _draw_caption(rng: np.random.Generator, config: WorldConfig) -> Caption:
    colour, shape = COLOURS[rng.integers(len(COLOURS))], SHAPES[rng.integers(len(SHAPES))]
    speed = SPRITE_SPEEDS[-1] if rng.random() < config.any_fraction else SPRITE_SPEEDS[rng.integers(3)]
    pan = PANS[3] if rng.random() < config.any_fraction else PANS[rng.integers(3)]
    return Caption(colour, shape, speed, PANS[4] if rng.random() < config.plain_fraction else pan)


def _segment(start: int, words: Caption, rng: np.random.Generator, config: WorldConfig) -> Segment:
    """Turn words into speeds. Draws the same number of random numbers whatever the words are."""
    any_speed, any_pan = rng.uniform(*config.any_speed), rng.uniform(*config.any_pan)
    spread = rng.uniform(1 - config.speed_spread, 1 + config.speed_spread, 2)
    speed = spread[0] * SPEED_OF_WORD[words.speed] if words.speed in SPEED_OF_WORD else any_speed
    pan = spread[1] * PAN_OF_WORD[words.pan] if words.pan in PAN_OF_WORD else any_pan
    return Segment(start, words, float(speed), float(pan))


def _draw_colour(
    rng: np.random.Generator, luma: tuple[float, float], chroma: tuple[float, float]
) -> tuple[float, float, float]:
    """A dull colour: luma plus a small deviation on the hue circle."""
    hue, level, strength = rng.uniform(0, 2 * np.pi), rng.uniform(*luma), rng.uniform(*chroma)
    red, green, blue = (float(level + strength * np.cos(hue - turn)) for turn in (0.0, 2 * np.pi / 3, 4 * np.pi / 3))
    return red, green, blue


def _segment_at(scene: Scene, frame: int) -> Segment:
    return next(segment for segment in reversed(scene.segments) if segment.start <= frame)


def _travel(scene: Scene, frames: np.ndarray, speed: str) -> np.ndarray:
    """Pixels travelled from frame 0 to each frame, through all segments."""
    starts = [segment.start for segment in scene.segments]
    stops = [*starts[1:], np.inf]
    spans = [np.clip(frames, a, b) - a for a, b in zip(starts, stops, strict=True)]
    return np.asarray(sum(span * getattr(s, speed) for span, s in zip(spans, scene.segments, strict=True)))


def _centre(scene: Scene, frames: np.ndarray) -> np.ndarray:
    """Centres [frame, 2]: a straight flight folded at the walls, which the sprite's radius keeps away."""
    flight = np.asarray(scene.position) + np.outer(_travel(scene, frames, "sprite_speed"), scene.direction)
    room = SIZE - 2 * scene.radius
    folded = np.abs((flight - scene.radius + room) % (2 * room) - room)
    return np.asarray(scene.radius + folded)


def _indices(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.long)
