"""Each measure of the background on pixels whose answer is known."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.toy.backgrounds import (
    copy_of_first,
    distance_to_palette,
    fit_pattern,
    measure_backgrounds,
    palette_of,
    pan,
)
from reward_forcing.toy.render import WAVELENGTH_Y, pixel_grid, render
from reward_forcing.toy.world import SIZE, WAVELENGTH, sample, trace
from tests.tiny import normal

EVERYWHERE = torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool)
SCROLLING, PLAIN = torch.tensor([False]), torch.tensor([True])


def wave(scroll: float, colour: Tensor, centre: float = 0.5) -> Tensor:
    """One frame of the default world's background, moved to the left by `scroll` pixels."""
    x, y = pixel_grid().unbind(-1)
    height = torch.sin(2 * torch.pi * ((x + scroll) / WAVELENGTH + y / WAVELENGTH_Y))
    return centre + colour[:, None, None] * height


def clip(*frames: Tensor) -> Tensor:
    return torch.stack(frames)[None]


COLOUR = torch.tensor([0.2, 0.1, -0.05])


@pytest.mark.parametrize("moves", [[0.0, 0.0], [1.5, 3.0], [-2.0, 0.25]])
def test_pan_is_read_off_the_phase(moves: list[float]) -> None:
    places = torch.tensor([0.0, *moves]).cumsum(0)
    video = clip(*(wave(float(place), COLOUR) for place in places))
    mask = EVERYWHERE.expand(1, 3, SIZE, SIZE)
    assert_close(pan(fit_pattern(video, mask, SCROLLING)), torch.tensor([moves]), atol=1e-2, rtol=0)


def test_pan_survives_a_hole_where_the_sprite_was() -> None:
    video = clip(wave(0, COLOUR), wave(2, COLOUR))
    mask = EVERYWHERE.repeat(1, 2, 1, 1)
    mask[..., 8:20, 10:22] = False
    damaged = torch.where(mask[:, :, None], video, torch.tensor(9.0))
    assert_close(pan(fit_pattern(damaged, mask, SCROLLING)), torch.tensor([[2.0]]), atol=2e-2, rtol=0)


def test_a_plain_gradient_gives_its_slopes_back() -> None:
    x, y = pixel_grid().unbind(-1)
    half = SIZE / 2
    slopes = torch.tensor([[0.5, 0.4, 0.3], [0.1, 0.0, -0.1], [0.0, 0.2, 0.05]])  # constant, along x, along y
    basis = torch.stack([torch.ones_like(x), (x - half) / half, (y - half) / half])
    video = torch.einsum("khw,kc->chw", basis, slopes)[None, None]
    assert_close(fit_pattern(video, EVERYWHERE, PLAIN)[0, 0], slopes, atol=1e-3, rtol=0)


def two_colours(one: Tensor, other: Tensor) -> Tensor:
    mix = torch.linspace(0, 1, SIZE).expand(SIZE, SIZE)
    return (one[:, None, None] * (1 - mix) + other[:, None, None] * mix)[None, None]


ONE, OTHER = torch.tensor([0.3, 0.4, 0.5]), torch.tensor([0.5, 0.45, 0.35])


def test_the_palette_is_the_segment_between_its_colours() -> None:
    centre, axis, span = palette_of(two_colours(ONE, OTHER), EVERYWHERE)
    assert_close(centre[0], (ONE + OTHER) / 2)
    assert_close(axis[0].dot(OTHER - ONE).abs(), (OTHER - ONE).norm())
    assert_close(span[0].abs(), torch.full((2,), float((OTHER - ONE).norm() / 2)), atol=1e-4, rtol=0)


def test_the_distance_to_a_palette() -> None:
    video = two_colours(ONE, OTHER)
    centre, axis, span = palette_of(video, EVERYWHERE)

    def distance(moved: Tensor) -> float:
        return distance_to_palette(moved, EVERYWHERE, centre, axis, span=span).item()

    direction = (OTHER - ONE) / (OTHER - ONE).norm()
    aside = torch.linalg.cross(direction, torch.tensor([0.0, 0.0, 1.0]))
    aside = 0.1 * aside / aside.norm()
    assert distance(video) == pytest.approx(0, abs=1e-3)
    assert distance(video + aside[:, None, None]) == pytest.approx(0.1, abs=1e-3)
    only_one = ONE[:, None, None].expand(1, 1, 3, SIZE, SIZE)
    assert distance(only_one) == pytest.approx(0, abs=1e-3)  # an end of the segment is still the palette
    beyond = (ONE - 0.2 * direction)[:, None, None].expand(1, 1, 3, SIZE, SIZE)
    assert distance(beyond) == pytest.approx(0.2, abs=1e-3)


def test_likeness_to_the_first_frame_is_a_correlation() -> None:
    first, second = normal(1, 1, SIZE, SIZE), normal(1, 1, SIZE, SIZE, seed=1)
    planes = torch.cat([first, 3 * first + 7, -first, second], 1)
    expected = torch.corrcoef(torch.stack([second.flatten(), first.flatten()]))[0, 1]
    copies = copy_of_first(planes, EVERYWHERE.expand(1, 4, SIZE, SIZE))[0]
    assert_close(copies, torch.stack([torch.tensor(1.0), torch.tensor(1.0), torch.tensor(-1.0), expected]))


def test_true_videos_pan_as_they_say_and_keep_palette_and_contrast() -> None:
    scenes = [sample(5, index) for index in range(30)]
    states = trace(scenes, 0, 9)
    plain = torch.tensor(["plain" in str(scene.caption) for scene in scenes])
    measured = measure_backgrounds((render(states) + 1) / 2, plain)
    moved = torch.where(plain[:, None], 0.0, states.scroll.diff(dim=1))
    assert_close(measured.shift, moved, atol=0.25, rtol=0)
    assert measured.palette_distance.max() < 0.02
    assert_close(measured.contrast, torch.ones_like(measured.contrast), atol=0.1, rtol=0)
    assert_close(measured.copy[:, 0], torch.ones(30))
