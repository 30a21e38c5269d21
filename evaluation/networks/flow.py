"""Moving pictures along flows, and correlating two pictures pixel by pixel (as in RAFT, Teed and Deng 2020)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate


def resized(images: Float[Tensor, "image channel height width"], factor: float) -> Tensor:
    """Images with both sides times a factor (bilinear); factor 1 gives them as they are."""
    if factor == 1:
        return images
    return interpolate(images, scale_factor=factor, mode="bilinear", align_corners=False)


def pixel_grid(images: Float[Tensor, "image channel height width"]) -> Float[Tensor, "1 2 height width"]:
    """The column and the row of every pixel."""
    rows, columns = (torch.arange(size, device=images.device, dtype=images.dtype) for size in images.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y])[None]


def sampled(
    images: Float[Tensor, "image channel height width"],
    points: Float[Tensor, "image 2 new_height new_width"],
    *,
    outside: str,
) -> Float[Tensor, "image channel new_height new_width"]:
    """Images at points between pixels (bilinear), given as columns and rows.

    Args:
        images: to be read; at least 2 x 2.
        points: where.
        outside: "border" repeats the edge there, "zeros" has nothing there.
    """
    height, width = images.shape[-2:]
    reach = torch.tensor([width - 1, height - 1], device=points.device, dtype=points.dtype)
    grid = 2 * points.movedim(1, -1) / reach - 1
    return grid_sample(images, grid, mode="bilinear", padding_mode=outside, align_corners=True)


def warped(
    images: Float[Tensor, "image channel height width"], flow: Float[Tensor, "image 2 height width"]
) -> Float[Tensor, "image channel height width"]:
    """Images of which every pixel is fetched from where its flow (columns, rows) points; edges are repeated."""
    return sampled(images, pixel_grid(images) + flow, outside="border")


@dataclass(frozen=True)
class Correlation:
    """How alike each place of one picture and each of another are, at several sizes of the other.

    Args:
        forth: levels [image place_of_first, 1, height, width], the second picture halved from one to the next.
        back: the same with the pictures' parts exchanged.
    """

    forth: list[Tensor]
    back: list[Tensor]


def correlated(
    first: Float[Tensor, "image channel height width"], second: Float[Tensor, "image channel height width"], levels: int
) -> Correlation:
    """Dot products of features, over the root of their number of channels."""
    alike = torch.einsum("icp,icq->ipq", first.flatten(2), second.flatten(2)) / first.shape[1] ** 0.5
    maps = (both.unflatten(2, first.shape[-2:]).flatten(0, 1)[:, None] for both in (alike, alike.transpose(1, 2)))
    return Correlation(*(halvings(finest, levels) for finest in maps))


def halvings(maps: Float[Tensor, "place 1 height width"], levels: int) -> list[Tensor]:
    """Maps, and the same halved again and again (means of 2 x 2; an odd last row or column is left out)."""
    pyramid = [maps]
    for _ in range(levels - 1):
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    return pyramid


def look_up(
    pyramid: list[Tensor], points: Float[Tensor, "image 2 height width"], radius: int
) -> Float[Tensor, "image view height width"]:
    """Of each place, the maps in a window around its point, all levels one after the other; nothing is outside.

    Windows are read column by column, as by RAFT's published weights.
    """
    height, width = points.shape[-2:]
    steps = torch.arange(-radius, radius + 1, device=points.device, dtype=points.dtype)
    x, y = torch.meshgrid(steps, steps, indexing="ij")
    around, centres = torch.stack([x, y])[None], points.movedim(1, -1).reshape(-1, 2, 1, 1)
    views = [sampled(maps, centres / 2**level + around, outside="zeros") for level, maps in enumerate(pyramid)]
    seen: Tensor = torch.stack(views, 1).flatten(1).unflatten(0, (-1, height, width))
    return seen.movedim(-1, 1)
