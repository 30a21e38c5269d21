"""Finding sprites: each step against a plain reference, or on a picture whose answer is known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import max_pool2d

from reward_forcing.toy.captions import COLOURS, SHAPES
from reward_forcing.toy.render import SPRITE_COLOURS, coverage, pixel_grid, render
from reward_forcing.toy.sprites import FLOOD_STEPS, centroid, chroma, find_sprites, fit_shape, flood, grow, vote_colour
from reward_forcing.toy.world import sample, trace


def disc(x: float, y: float, radius: float, shape: int = 0) -> Tensor:
    """Coverage of one sprite on an empty picture, [1, 1, 32, 32]."""
    offset = pixel_grid() - torch.tensor([float(x), float(y)])
    return coverage(offset, torch.tensor(float(radius)), torch.tensor(shape))[None, None]


def flooded_one_by_one(mask: Tensor, seed: tuple[int, int]) -> set[tuple[int, int]]:
    """The part of a mask connected with a pixel over 8 neighbours, found pixel by pixel."""
    found, waiting = set(), [seed]
    while waiting:
        row, column = waiting.pop()
        if (row, column) in found or not (0 <= row < 32 and 0 <= column < 32) or not mask[row, column]:
            continue
        found.add((row, column))
        waiting += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return found


@given(st.integers(0, 2**31))
def test_chroma_is_the_spread_of_the_channels(seed: int) -> None:
    rgb = torch.rand(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    expected = [[max(pixel) - min(pixel) for pixel in frame.flatten(1).T.tolist()] for frame in rgb[0]]
    torch.testing.assert_close(chroma(rgb)[0].flatten(1), torch.tensor(expected))


@pytest.mark.parametrize("colour", range(len(COLOURS)))
def test_chroma_is_linear_in_coverage(colour: int) -> None:
    cover = disc(16, 16, 5)[:, :, None]
    rgb = 0.5 + cover * (torch.tensor(SPRITE_COLOURS[colour])[:, None, None] - 0.5)
    torch.testing.assert_close(chroma(rgb), 0.84 * cover[:, :, 0], rtol=0, atol=1e-5)


@given(st.integers(0, 2**31))
def test_flood_finds_what_a_search_finds(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    blobs = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 32, 32, generator=rng), 5, 1, 2)
    mask = blobs > 0.53
    middle = torch.nn.functional.avg_pool2d(blobs * mask, 5, 1, 2) * mask
    row, column = divmod(int(middle.argmax()), 32)
    expected = flooded_one_by_one(mask[0, 0], (row, column))
    got = {(int(i), int(j)) for i, j in flood(mask, blobs)[0, 0].nonzero()}
    assert got <= expected
    if len(expected) <= FLOOD_STEPS:
        assert got == expected


def test_flood_keeps_the_larger_of_two_sprites() -> None:
    both = disc(8, 8, 6) + disc(24, 24, 3)
    torch.testing.assert_close(flood(both > 0.5, both), disc(8, 8, 6) > 0.5)


def test_flood_of_nothing_is_nothing() -> None:
    empty = torch.zeros(2, 3, 32, 32)
    assert not flood(empty > 0, empty).any()


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_growing_a_pixel_makes_a_square(pixels: int) -> None:
    mask = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    mask[..., 10, 20] = True
    grown = grow(mask, pixels)
    assert int(grown.sum()) == (2 * pixels + 1) ** 2
    assert bool(grown[..., 10 - pixels, 20 + pixels].all())


@pytest.mark.parametrize("pixels", [1, 2])
def test_growing_is_pooling_by_the_largest_up_to_the_borders(pixels: int) -> None:
    mask = torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(0)) > 0.95
    assert torch.equal(grow(mask, pixels), max_pool2d(mask.float(), 2 * pixels + 1, 1, pixels) > 0)


@given(st.floats(8, 24), st.floats(8, 24), st.sampled_from([0, 1, 2]))
def test_centroid_of_a_sprite_is_its_centre(x: float, y: float, shape: int) -> None:
    assert centroid(disc(x, y, 6, shape))[0, 0].tolist() == pytest.approx([x, y], abs=0.2)


def test_centroid_of_nothing_is_finite() -> None:
    assert centroid(torch.zeros(1, 1, 32, 32)).tolist() == [[[0, 0]]]


@pytest.mark.parametrize("colour", range(len(COLOURS)))
@pytest.mark.parametrize("dimming", [0.6, 1.0])
def test_colours_are_told_apart_even_when_faded(colour: int, dimming: float) -> None:
    rgb = 0.5 + dimming * (torch.tensor(SPRITE_COLOURS[colour]) - 0.5)
    picture = rgb[None, None, :, None, None].expand(1, 1, 3, 32, 32)
    voted, purity = vote_colour(picture, torch.ones(1, 1, 32, 32, dtype=torch.bool))
    assert (int(voted), float(purity)) == (colour, 1)


def test_purity_is_the_share_of_the_commonest_colour() -> None:
    picture = torch.tensor(SPRITE_COLOURS[0])[None, None, :, None, None].repeat(1, 1, 1, 32, 32)
    picture[..., :8] = torch.tensor(SPRITE_COLOURS[4])[:, None, None]
    voted, purity = vote_colour(picture, torch.ones(1, 1, 32, 32, dtype=torch.bool))
    assert (int(voted), float(purity)) == (0, 0.75)


@given(st.floats(9, 23), st.floats(9, 23), st.floats(5.6, 6.8), st.sampled_from([0, 1, 2]))
def test_shapes_are_told_apart(x: float, y: float, radius: float, shape: int) -> None:
    fitted, iou = fit_shape(disc(x, y, radius, shape), torch.tensor([[[x, y]]]))
    assert SHAPES[int(fitted)] == SHAPES[shape]
    assert float(iou) > 0.93


def test_overlap_with_oneself_is_whole_and_with_nothing_is_none() -> None:
    _, whole = fit_shape(disc(16, 16, 6), torch.tensor([[[16.0, 16.0]]]))
    _, missed = fit_shape(disc(6, 6, 5), torch.tensor([[[26.0, 26.0]]]))
    assert float(whole) > 0.97
    assert float(missed) < 0.05


@pytest.mark.parametrize(("area", "one"), [(2.0, False), (6.0, True), (9.5, False)])
def test_a_sprite_has_a_size(area: float, one: bool) -> None:
    rgb = 0.5 + disc(16, 16, area)[:, :, None] * (torch.tensor(SPRITE_COLOURS[2])[:, None, None] - 0.5)
    assert bool(find_sprites(rgb).one) is one


def test_a_bar_is_no_sprite() -> None:
    rgb = torch.full((1, 1, 3, 32, 32), 0.5)
    rgb[..., 15:18, 2:30] = torch.tensor(SPRITE_COLOURS[0])[:, None, None]
    assert not find_sprites(rgb).one.any()


@given(st.integers(0, 10_000))
def test_what_is_rendered_is_found(index: int) -> None:
    states = trace([sample(31, index)], 0, 3)
    found = find_sprites((render(states) + 1) / 2)
    assert bool(found.one.all())
    assert torch.equal(found.colour, states.colour)
    assert torch.equal(found.shape, states.shape)
    torch.testing.assert_close(found.centre, states.centre, rtol=0, atol=0.25)
