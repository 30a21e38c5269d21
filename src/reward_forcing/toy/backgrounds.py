"""Measuring the background behind the sprite: its pan, its palette, its contrast, its likeness to the start."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reward_forcing.toy.render import WAVELENGTH_Y, pixel_grid
from reward_forcing.toy.sprites import chroma, grow
from reward_forcing.toy.world import SIZE, WAVELENGTH

Rgb = Float[Tensor, "clip frame 3 height width"]
Mask = Bool[Tensor, "clip frame height width"]

FIRST: Final = 3  # frames of the first chunk, the reference of palette and contrast
BACKGROUND_CHROMA: Final = 0.3  # pixels above this belong to a sprite
MARGIN: Final = 2  # pixels around them are mixed


@dataclass(frozen=True)
class Backgrounds:
    """What was measured in each frame."""

    shift: Float[Tensor, "clip pair"]
    palette_distance: Float[Tensor, "clip frame"]
    contrast: Float[Tensor, "clip frame"]
    copy: Float[Tensor, "clip frame"]
    pattern: Float[Tensor, "clip frame 3 3"]  # coefficients [pattern, colour], see `fit_pattern`


def measure_backgrounds(rgb: Rgb, plain: Bool[Tensor, " clip"]) -> Backgrounds:
    """Backgrounds of a video in [0, 1]. In plain clips the shift is 0."""
    mask = ~grow(chroma(rgb) > BACKGROUND_CHROMA, MARGIN)
    fit = fit_pattern(rgb, mask, plain)
    amplitude = fit[:, :, 1:].square().sum((2, 3)).sqrt()
    centre, axis, span = palette_of(rgb[:, :FIRST], mask[:, :FIRST])
    return Backgrounds(
        shift=torch.where(plain[:, None], 0.0, pan(fit)),
        palette_distance=distance_to_palette(rgb, mask, centre, axis, span=span),
        contrast=amplitude / amplitude[:, :FIRST].mean(1, keepdim=True).clamp(min=1e-6),
        copy=copy_of_first(torch.einsum("nfchw,nc->nfhw", rgb, axis), mask),
        pattern=fit,
    )


def fit_pattern(rgb: Rgb, mask: Mask, plain: Bool[Tensor, " clip"]) -> Float[Tensor, "clip frame 3 3"]:
    """Least squares over the masked pixels.

    The coefficients [pattern, colour] belong to (1, cos, sin) of the wave, in plain clips to (1, x, y).
    """
    basis = torch.where(plain[:, None, None, None], *bases(rgb.device))
    weighted = torch.einsum("nfhw,nkhw->nfkhw", mask.to(rgb.dtype), basis)
    gram = torch.einsum("nfkhw,nlhw->nfkl", weighted, basis)
    ridge = 1e-3 * torch.eye(3, device=rgb.device)
    solution: Tensor = torch.linalg.solve(gram + ridge, torch.einsum("nfkhw,nfchw->nfkc", weighted, rgb))
    return solution


def pan(fit: Float[Tensor, "clip frame 3 3"]) -> Float[Tensor, "clip pair"]:
    """Camera movement between neighbouring frames in pixels, signed, from the wave's phase; up to half a wavelength."""
    luma = fit.mean(-1)
    phase = torch.atan2(luma[..., 1], luma[..., 2])
    turn = torch.remainder(phase.diff(dim=1) + torch.pi, 2 * torch.pi) - torch.pi
    return turn * WAVELENGTH / (2 * torch.pi)


def palette_of(
    rgb: Rgb, mask: Mask
) -> tuple[Float[Tensor, "clip 3"], Float[Tensor, "clip 3"], Float[Tensor, "clip 2"]]:
    """The segment in colour space on which the masked pixels lie: mean, unit direction, begin and end along it."""
    weight = mask.to(rgb.dtype)[:, :, None]
    total = weight.sum((1, 3, 4)).clamp(min=1)
    centre = (rgb * weight).sum((1, 3, 4)) / total
    deviation = (rgb - centre[:, None, :, None, None]) * weight
    covariance = torch.einsum("nfchw,nfdhw->ncd", deviation, deviation) / total[..., None]
    axis = torch.linalg.eigh(covariance).eigenvectors[..., -1]
    along = torch.einsum("nfchw,nc->nfhw", deviation, axis).flatten(1)
    return centre, axis, torch.stack((along.amin(1), along.amax(1)), -1)


def distance_to_palette(
    rgb: Rgb, mask: Mask, centre: Float[Tensor, "clip 3"], axis: Float[Tensor, "clip 3"], *, span: Tensor
) -> Float[Tensor, "clip frame"]:
    """Mean distance in RGB of the masked pixels to the palette segment."""
    deviation = rgb - centre[:, None, :, None, None]
    along = torch.einsum("nfchw,nc->nfhw", deviation, axis)
    low, high = span[:, 0, None, None, None], span[:, 1, None, None, None]
    nearest = torch.minimum(torch.maximum(along, low), high)
    squared = deviation.square().sum(2) - 2 * nearest * along + nearest.square()
    return _mean(squared.clamp(min=0).sqrt(), mask)


def copy_of_first(plane: Float[Tensor, "clip frame height width"], mask: Mask) -> Float[Tensor, "clip frame"]:
    """Correlation of every frame with the first one over the pixels that are background in both, without any shift."""
    both = mask & mask[:, :1]
    now, first = plane, plane[:, :1].expand_as(plane)
    now = (now - _mean(now, both)[..., None, None]) * both
    first = (first - _mean(first, both)[..., None, None]) * both
    product = (now * first).sum((2, 3))
    scale = now.square().sum((2, 3)).sqrt() * first.square().sum((2, 3)).sqrt()
    return product / scale.clamp(min=1e-6)


def _mean(plane: Float[Tensor, "clip frame height width"], mask: Mask) -> Float[Tensor, "clip frame"]:
    return (plane * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1)


def bases(device: torch.device) -> tuple[Float[Tensor, "3 height width"], Float[Tensor, "3 height width"]]:
    """The static gradient's basis and the wave's."""
    x, y = pixel_grid().to(device).unbind(-1)
    angle = 2 * torch.pi * (x / WAVELENGTH + y / WAVELENGTH_Y)
    one, half = torch.ones_like(x), SIZE / 2
    return torch.stack((one, (x - half) / half, (y - half) / half)), torch.stack((one, angle.cos(), angle.sin()))
