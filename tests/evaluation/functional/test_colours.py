"""Colours have the names that people give to plain ones."""

import colorsys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.colours import ALIASES, NAMES, colour_named, names_of, shares

PLAIN = {
    "black": (10, 10, 10),
    "white": (250, 250, 245),
    "grey": (128, 128, 130),
    "red": (220, 20, 20),
    "orange": (255, 140, 0),
    "yellow": (255, 230, 0),
    "green": (30, 140, 40),
    "blue": (30, 60, 220),
    "purple": (120, 20, 200),
    "pink": (255, 105, 180),
    "brown": (120, 70, 20),
}
"""One of each, as style sheets have them or nearly so."""


def pixels(*colours: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colours, dtype=torch.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_plain_colours(name: str) -> None:
    assert NAMES[int(names_of(pixels(PLAIN[name]))[0])] == name


@pytest.mark.parametrize(
    ("colour", "name"),
    [((255, 192, 203), "pink"), ((0, 0, 128), "blue"), ((139, 69, 19), "brown"), ((0, 255, 255), "blue")],
)
def test_other_shades(colour: tuple[int, int, int], name: str) -> None:
    assert NAMES[int(names_of(pixels(colour))[0])] == name


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_one_name_and_greys_have_no_hue(colour: tuple[int, int, int]) -> None:
    (found,) = names_of(pixels(colour)).tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    name = NAMES[found]
    assert (name == "black") == (value < 0.2)
    if value >= 0.2 and saturation < 0.14:
        assert name in {"white", "grey"}
    if value >= 0.2 and saturation > 0.16 and 75 < 360 * hue < 165:
        assert name == "green"


def test_shapes_are_kept() -> None:
    assert names_of(torch.zeros(2, 4, 3, dtype=torch.uint8)).shape == (2, 4)


def test_words_for_colours() -> None:
    assert [colour_named(word) for word in ("red", " Grey ", "gray", "silver")] == [3, 2, 2, 2]
    assert colour_named("turquoise") is None
    assert set(ALIASES.values()) <= set(NAMES)


def test_the_middle_of_a_box_counts() -> None:
    """A red square of half the size in the middle of a green box, on blue."""
    frame = torch.zeros(3, 40, 40, dtype=torch.uint8)
    frame[2] = 255
    frame[:, 8:32, 8:32] = torch.tensor([0, 200, 0], dtype=torch.uint8)[:, None, None]
    frame[:, 14:26, 14:26] = torch.tensor([220, 0, 0], dtype=torch.uint8)[:, None, None]
    inside = shares(frame, torch.tensor([0.2, 0.2, 0.8, 0.8]))
    assert inside[NAMES.index("red")] == 1
    wide = shares(frame, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    assert wide[NAMES.index("red")] == pytest.approx(144 / 400)
    assert wide[NAMES.index("green")] == pytest.approx(256 / 400)
    assert wide.sum() == pytest.approx(1)


@pytest.mark.parametrize("box", [[0.99, 0.99, 1.2, 1.2], [0.5, 0.5, 0.5, 0.5], [-0.5, -0.5, 0.01, 0.01]])
def test_boxes_of_any_size_have_a_pixel(box: list[float]) -> None:
    found = shares(torch.full((3, 20, 30), 250, dtype=torch.uint8), torch.tensor(box))
    assert found[NAMES.index("white")] == 1
