"""Is the sprite still what it was, and a frame nothing but its state? Frames are drawn again from what was found."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from reward_forcing.toy.backgrounds import FIRST, bases
from reward_forcing.toy.render import SPRITE_COLOURS, coverage, pixel_grid
from reward_forcing.toy.sprites import AREA_OF_UNIT_RADIUS, Sprites, centroid

Rgb = Float[Tensor, "clip frame 3 height width"]
Plane = Float[Tensor, "clip frame height width"]
Score = Float[Tensor, "clip frame"]

REACH: Final = 10.0  # pixels from its centre beyond which there is no sprite
BEST: Final = 50.0  # dB: beyond, differences are those of rounding to levels


@dataclass(frozen=True)
class Likeness:
    """What was found in each frame; NaN where there is not one sprite, or was none in the first chunk."""

    colour_kept: Score  # 1 where the sprite has the colour of the first chunk's, else 0
    shape_kept: Score
    from_start: Score  # pixels from the sprite's first place
    fidelity: Score  # PSNR against the frame drawn again from its state, dB, at most BEST
    paint_error: Score  # distance in RGB of the mean colour inside the sprite to the colour it should be


def measure_likeness(
    rgb: Rgb, sprites: Sprites, pattern: Float[Tensor, "clip frame 3 3"], plain: Bool[Tensor, " clip"]
) -> Likeness:
    """Compare a video in [0, 1] with the state found in it.

    The state is place, colour and shape of the sprite and the phase of the wave in every frame; the palette, the
    sprite's size and, in plain clips, the whole background are the first chunk's.
    """
    background = redraw_background(pattern, plain)
    start = _first(sprites.one)
    sprite = redraw_sprite(unmix(rgb, sprites, background), sprites)
    paint = torch.tensor(SPRITE_COLOURS, device=rgb.device)[sprites.colour]
    drawn = torch.lerp(background, paint[..., None, None], sprite[:, :, None])
    unknown = torch.where(sprites.one & (start >= 0)[:, None], 0.0, torch.nan)
    return Likeness(
        colour_kept=unknown + _same(sprites.colour, start),
        shape_kept=unknown + _same(sprites.shape, start),
        from_start=unknown + (sprites.centre - _at(sprites.centre, start)).norm(dim=-1),
        fidelity=unknown + psnr(rgb, drawn),
        paint_error=unknown + (_mean_inside(rgb, sprite > 0.999) - paint).norm(dim=-1),
    )


def redraw_background(pattern: Float[Tensor, "clip frame 3 3"], plain: Bool[Tensor, " clip"]) -> Rgb:
    """Backgrounds of the first chunk's palette, with every frame's own phase; those of plain clips stand still.

    pattern: coefficients [pattern, colour] of every frame, as `backgrounds.fit_pattern` gives them.
    """
    phase = normalize(pattern.mean(-1)[..., 1:], dim=-1)
    begin = pattern[:, :FIRST]
    amplitude = torch.einsum("nfkc,nfk->nfc", begin[:, :, 1:], phase[:, :FIRST]).mean(1)
    phase = torch.where(plain[:, None, None], normalize(phase[:, :FIRST].mean(1, keepdim=True), dim=-1), phase)
    basis = torch.where(plain[:, None, None, None], *bases(pattern.device))
    wave = torch.einsum("nfk,nkhw->nfhw", phase, basis[:, 1:])
    return begin[:, :, 0].mean(1)[:, None, :, None, None] + amplitude[:, None, :, None, None] * wave[:, :, None]


def unmix(rgb: Rgb, sprites: Sprites, background: Rgb) -> Plane:
    """The share of every pixel that has the sprite's colour instead of the background's, 0 to 1, by least squares.

    Finer than the tracker's mask: right to a hundredth of a pixel in place and size. 0 away from the sprite.
    """
    step = torch.tensor(SPRITE_COLOURS, device=rgb.device)[sprites.colour][..., None, None] - background
    share: Tensor = ((rgb - background) * step).sum(2) / step.square().sum(2).clamp(min=1e-6)
    near = (pixel_grid().to(rgb.device) - sprites.centre[:, :, None, None, :]).norm(dim=-1) < REACH
    masked: Tensor = share.clamp(0, 1) * near
    return masked


def redraw_sprite(share: Plane, sprites: Sprites) -> Plane:
    """The share of every pixel that a sprite of this place and shape covers, of the first chunk's size."""
    unit = torch.tensor(AREA_OF_UNIT_RADIUS, device=share.device)[sprites.shape]
    begin = sprites.one[:, :FIRST]
    radius = ((share.sum((2, 3)) / unit).sqrt()[:, :FIRST] * begin).sum(1) / begin.sum(1).clamp(min=1)
    offset = pixel_grid().to(share.device) - centroid(share)[:, :, None, None, :]
    return coverage(offset, radius[:, None, None, None], sprites.shape[:, :, None, None])


def psnr(rgb: Rgb, drawn: Rgb) -> Score:
    """Peak signal-to-noise ratio of every frame in dB, at most BEST."""
    error = (rgb - drawn).square().mean((2, 3, 4))
    return -10 * error.clamp(min=10 ** (-BEST / 10)).log10()


def _first(one: Bool[Tensor, "clip frame"]) -> Int[Tensor, " clip"]:
    """The first frame of the first chunk with one sprite; -1 if there is none."""
    begin = one[:, :FIRST]
    return torch.where(begin.any(1), begin.long().argmax(1), -1)


def _at(values: Tensor, frame: Int[Tensor, " clip"]) -> Tensor:
    """The values of one frame a clip, [clip, 1, ...]."""
    return values[torch.arange(len(values), device=values.device), frame][:, None]


def _same(index: Int[Tensor, "clip frame"], frame: Int[Tensor, " clip"]) -> Score:
    return (index == _at(index, frame)).float()


def _mean_inside(rgb: Rgb, inside: Bool[Tensor, "clip frame height width"]) -> Float[Tensor, "clip frame 3"]:
    total = (rgb * inside[:, :, None]).sum((3, 4))
    return total / inside.sum((2, 3)).clamp(min=1)[..., None]
