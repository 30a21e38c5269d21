"""The name of a colour, by hue, saturation and brightness: a rule of our own, for what is plainly of one colour."""

from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

NAMES: Final = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
ALIASES: Final[Mapping[str, str]] = {"gray": "grey", "silver": "grey", "violet": "purple"}

DARK: Final = 0.2
"""Below this brightness everything is black."""
PALE: Final = 0.15
"""Below this saturation nothing has a hue: it is white or grey."""
BRIGHT: Final = 0.8
"""From this brightness on, what has no hue is white."""
HUES: Final = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (170, "green"),
    (260, "blue"),
    (310, "purple"),
    (345, "pink"),
)
"""Degrees up to which a hue has a name; beyond the last it is red again."""
BROWN: Final = 0.6
"""Orange that is darker than this is brown."""
SOFT: Final = 0.6
"""Red that is paler than this is pink, if it is bright."""


def colour_named(word: str) -> int | None:
    """The number of a colour; None for a word that is not known.

    >>> colour_named("Gray") == colour_named("silver") == NAMES.index("grey"), colour_named("turquoise")
    (True, None)
    """
    name = ALIASES.get(word.strip().lower(), word.strip().lower())
    return NAMES.index(name) if name in NAMES else None


def names_of(pixels: UInt8[Tensor, "*pixel 3"]) -> Int[Tensor, "*pixel"]:
    """The number in NAMES of every pixel's colour.

    >>> [NAMES[i] for i in names_of(torch.tensor([[255, 0, 0], [120, 70, 20], [90, 95, 90]], dtype=torch.uint8))]
    ['red', 'brown', 'grey']
    """
    hue, saturation, value = _hsv(pixels.float() / 255)
    found = torch.full(hue.shape, NAMES.index("red"))
    for (low, _), (high, name) in zip(((0, ""), *HUES[:-1]), HUES, strict=True):
        found[(hue >= low) & (hue < high)] = NAMES.index(name)
    found[(found == NAMES.index("orange")) & (value < BROWN)] = NAMES.index("brown")
    found[(found == NAMES.index("red")) & (saturation < SOFT) & (value >= BRIGHT)] = NAMES.index("pink")
    without = saturation < PALE
    found[without] = torch.where(value >= BRIGHT, NAMES.index("white"), NAMES.index("grey"))[without]
    found[value < DARK] = NAMES.index("black")
    return found


def _hsv(
    rgb: Float[Tensor, "*pixel 3"],
) -> tuple[Float[Tensor, "*pixel"], Float[Tensor, "*pixel"], Float[Tensor, "*pixel"]]:
    """Hue in degrees, saturation and brightness in [0, 1]."""
    value, where = rgb.max(-1)
    chroma = value - rgb.amin(-1)
    red, green, blue = rgb.unbind(-1)
    known = chroma.clamp(min=1e-6)
    sectors = torch.stack([(green - blue) / known % 6, (blue - red) / known + 2, (red - green) / known + 4], -1)
    hue: Tensor = 60 * sectors.gather(-1, where[..., None])[..., 0]
    saturation: Tensor = chroma / value.clamp(min=1e-6)
    return hue, saturation, value


def shares(frame: UInt8[Tensor, "3 height width"], box: Float[Tensor, " 4"]) -> Float[Tensor, " colour"]:
    """How much of the middle of a box (half its width and height) has each colour.

    Args:
        frame: levels 0 to 255.
        box: left, top, right, bottom, as shares of width and height.
    """
    height, width = frame.shape[-2:]
    left, top, right, bottom = box.clamp(0, 1).tolist()
    columns, rows = (_middle(low, high, size) for low, high, size in ((left, right, width), (top, bottom, height)))
    pixels = frame[:, rows, columns].flatten(1).T
    return torch.bincount(names_of(pixels), minlength=len(NAMES)) / len(pixels)


def _middle(low: float, high: float, size: int) -> slice:
    """The middle half of a stretch, one pixel at least."""
    quarter = (high - low) / 4
    first = min(int((low + quarter) * size), size - 1)
    return slice(first, max(first + 1, round((high - quarter) * size)))
