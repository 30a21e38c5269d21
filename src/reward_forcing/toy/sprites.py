"""Finding the sprite of every frame in its pixels: the one connected patch of strong colour."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d

from reward_forcing.toy.render import BEYOND, CROSS_ARM, SPRITE_COLOURS, TRIANGLE_SIDE, antialiased, pixel_grid

Plane = Float[Tensor, "clip frame height width"]
Mask = Bool[Tensor, "clip frame height width"]

SPRITE_CHROMA: Final = 0.84  # of every sprite colour
DULL_CHROMA: Final = 0.14  # the strongest a background can be
AREA: Final = (22.0, 230.0)  # pixels; true sprites have 53 to 146
STRAY: Final = (
    0.1  # strongly coloured pixels outside the sprite, as a share of its area, that still count as one sprite
)
PURITY: Final = 0.8  # share of the sprite's pixels that must have its colour
LEAST_IOU: Final = 0.5  # below this no template fits: not a sprite
FLOOD_STEPS: Final = 14  # enough to fill the largest sprite from any pixel near its middle
AREA_OF_UNIT_RADIUS: Final = (
    torch.pi,
    3 * 3**0.5 * (TRIANGLE_SIDE / 2) ** 2,
    8 * CROSS_ARM - 4 * CROSS_ARM**2,
)


@dataclass(frozen=True)
class Sprites:
    """What was found in each frame; all but `one` mean little where `one` is false."""

    one: Bool[Tensor, "clip frame"]
    centre: Float[Tensor, "clip frame 2"]
    colour: Int[Tensor, "clip frame"]
    shape: Int[Tensor, "clip frame"]
    iou: Float[Tensor, "clip frame"]


def chroma(rgb: Float[Tensor, "clip frame 3 height width"]) -> Plane:
    """Largest minus smallest colour channel: linear in how much of a pixel a saturated sprite covers."""
    return rgb.amax(2) - rgb.amin(2)


def find_sprites(rgb: Float[Tensor, "clip frame 3 height width"]) -> Sprites:
    """Sprites of a video in [0, 1]."""
    strength = chroma(rgb)
    covered = ((strength - DULL_CHROMA) / (SPRITE_CHROMA - DULL_CHROMA)).clamp(0, 1)
    mask = covered > 0.5
    main = flood(mask, covered)
    soft = covered * grow(main, 1)
    centre = centroid(soft)
    colour, purity = vote_colour(rgb, main)
    shape, iou = fit_shape(soft, centre)
    size, all_size = main.sum((2, 3)), mask.sum((2, 3))
    one = (size >= AREA[0]) & (size <= AREA[1]) & (all_size - size <= STRAY * size)
    return Sprites(one & (purity >= PURITY) & (iou >= LEAST_IOU), centre, colour, shape, iou)


def flood(mask: Mask, strength: Plane) -> Mask:
    """The connected part (8 neighbours) of the mask around the place of greatest mean strength."""
    seed_strength = avg_pool2d(strength * mask, 5, 1, 2) * mask
    seed = torch.zeros_like(mask).flatten(2)
    seed.scatter_(2, seed_strength.flatten(2).argmax(2, keepdim=True), 1)
    part = seed.view_as(mask) & mask
    for _ in range(FLOOD_STEPS):
        part = grow(part, 1) & mask
    return part


def grow(mask: Mask, pixels: int) -> Mask:
    """The mask and everything within `pixels` of it, diagonally too."""
    for axis in (2, 3):
        grown, size = mask.clone(), mask.shape[axis]
        for away in range(1, pixels + 1):
            grown.narrow(axis, 0, size - away).logical_or_(mask.narrow(axis, away, size - away))
            grown.narrow(axis, away, size - away).logical_or_(mask.narrow(axis, 0, size - away))
        mask = grown
    return mask


def centroid(weight: Plane) -> Float[Tensor, "clip frame 2"]:
    """Weighted mean position (x, y), in pixels; the middle of nothing is (0, 0)."""
    total = weight.sum((2, 3)).clamp(min=1e-6)
    return torch.einsum("nfhw,hwc->nfc", weight, pixel_grid().to(weight.device)) / total[..., None]


def vote_colour(
    rgb: Float[Tensor, "clip frame 3 height width"], mask: Mask
) -> tuple[Int[Tensor, "clip frame"], Float[Tensor, "clip frame"]]:
    """The commonest sprite colour under the mask, and its share of the mask."""
    palette = torch.tensor(SPRITE_COLOURS, device=rgb.device)
    hues = torch.nn.functional.normalize(palette - palette.mean(1, keepdim=True), dim=1)
    votes = torch.einsum("nfchw,kc->nfkhw", rgb, hues).argmax(2)
    counts = torch.stack([((votes == k) & mask).sum((2, 3)) for k in range(len(palette))], -1)
    best, colour = counts.max(-1)
    return colour, best / mask.sum((2, 3)).clamp(min=1)


def fit_shape(
    soft: Plane, centre: Float[Tensor, "clip frame 2"]
) -> tuple[Int[Tensor, "clip frame"], Float[Tensor, "clip frame"]]:
    """The shape whose template of the same area and centre overlaps best, and that overlap (IoU of soft masks)."""
    offset = pixel_grid().to(soft.device) - centre[:, :, None, None, :]
    area = soft.sum((2, 3))
    overlaps = []
    for beyond, unit in zip(BEYOND, AREA_OF_UNIT_RADIUS, strict=True):
        template = antialiased(beyond(offset, (area / unit).sqrt()[:, :, None, None]))
        smaller, larger = torch.minimum(soft, template), torch.maximum(soft, template)
        overlaps.append(smaller.sum((2, 3)) / larger.sum((2, 3)).clamp(min=1e-6))
    iou, shape_index = torch.stack(overlaps, -1).max(-1)
    return shape_index, iou
