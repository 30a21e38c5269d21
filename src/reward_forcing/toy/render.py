"""From the state of frames to pixels: an antialiased sprite over a background of two colours."""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reward_forcing.toy.world import SIZE, WAVELENGTH, States

WAVELENGTH_Y: Final = 40.0  # pixels: the wave leans, so that nearly all of the palette is always in view
SPRITE_COLOURS: Final = (  # in the order of captions.COLOURS; all have a chroma of 0.84
    (0.92, 0.08, 0.08),
    (0.92, 0.92, 0.08),
    (0.08, 0.92, 0.08),
    (0.08, 0.92, 0.92),
    (0.08, 0.08, 0.92),
    (0.92, 0.08, 0.92),
)
CROSS_ARM: Final = 0.36  # half width of the arms of a cross, in radii
TRIANGLE_SIDE: Final = 1.15  # distance from centre to corner, in radii: areas then differ less between the shapes

Offset = Float[Tensor, "*pixels 2"]
Radius = Float[Tensor, "*#pixels"]
Distance = Float[Tensor, "*pixels"]


def pixel_grid() -> Float[Tensor, "height width 2"]:
    """Coordinates (x, y) of the pixel centres."""
    axis = torch.arange(SIZE, dtype=torch.float32) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack((x, y), dim=-1)


def beyond_circle(offset: Offset, radius: Radius) -> Distance:
    """How far pixels lie outside a circle; negative inside."""
    away: Distance = offset.norm(dim=-1)
    return away - radius


def beyond_triangle(offset: Offset, radius: Radius) -> Distance:
    """The same of a triangle with its tip up."""
    x, y = offset.unbind(-1)
    lean = (3**0.5 / 2) * x.abs() - 0.5 * y  # the two upper sides
    return torch.maximum(lean, y) - 0.5 * TRIANGLE_SIDE * radius


def beyond_cross(offset: Offset, radius: Radius) -> Distance:
    """The same of an upright cross."""
    x, y = offset.abs().unbind(-1)
    return torch.maximum(torch.maximum(x, y) - radius, torch.minimum(x, y) - CROSS_ARM * radius)


BEYOND: Final = (beyond_circle, beyond_triangle, beyond_cross)
"""Signed distances from a sprite's outline, in the order of captions.SHAPES; the centre is the centroid of each."""


def antialiased(distance: Distance) -> Float[Tensor, "*pixels"]:
    """Share of each pixel that is covered, by its distance from the outline."""
    return (0.5 - distance).clamp(0, 1)


def coverage(offset: Offset, radius: Radius, shape: Int[Tensor, "*#pixels"]) -> Float[Tensor, "*pixels"]:
    """Share of each pixel that the sprite covers.

    offset: pixel position minus sprite centre.
    """
    circle, triangle, cross = (beyond(offset, radius) for beyond in BEYOND)
    return antialiased(torch.where(shape == 0, circle, torch.where(shape == 1, triangle, cross)))


def background_mix(states: States) -> Float[Tensor, "clip frame height width"]:
    """How much of the bright palette colour every pixel has: a panned wave, or a static gradient in the plain world."""
    x, y = pixel_grid().unbind(-1)
    phase = 2 * torch.pi * ((x + states.scroll[..., None, None]) / WAVELENGTH + y / WAVELENGTH_Y)
    wave = 0.5 + 0.5 * phase.sin()
    angle = (2 * torch.pi / WAVELENGTH * states.scroll)[..., None, None]
    gradient = 0.5 + ((x - SIZE / 2) * angle.cos() + (y - SIZE / 2) * angle.sin()) / (2**0.5 * SIZE)
    return torch.where(states.plain[:, None, None, None] > 0, gradient, wave)


def sprite_mask(states: States) -> Float[Tensor, "clip frame height width"]:
    """Share of every pixel that the sprite covers, 0 to 1."""
    offset = pixel_grid() - states.centre[:, :, None, None, :]
    return coverage(offset, states.radius[:, None, None, None], states.shape[:, :, None, None])


def render(states: States) -> Float[Tensor, "clip frame 3 height width"]:
    """Pixels in [-1, 1]. Frames are independent: any slice of the states renders to that slice of the video."""
    mix = background_mix(states)[:, :, None]
    dark, bright = states.palette[:, None, :, :, None, None].unbind(2)
    sprite = torch.tensor(SPRITE_COLOURS)[states.colour][..., None, None]
    background = torch.lerp(dark, bright, mix)
    return 2 * torch.lerp(background, sprite, sprite_mask(states)[:, :, None]) - 1
