"""Each measure of the sprite on pixels whose answer is known."""

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.toy.captions import COLOURS, SHAPES
from reward_forcing.toy.render import SPRITE_COLOURS, coverage, pixel_grid, render
from reward_forcing.toy.sprites import (
    AREA_OF_UNIT_RADIUS,
    centroid,
    chroma,
    find_sprites,
    fit_shape,
    flood,
    grow,
    vote_colour,
)
from reward_forcing.toy.world import SIZE, sample, trace


def plane(*patches: tuple[slice, slice]) -> torch.Tensor:
    """Ones in some patches of an otherwise empty frame."""
    empty = torch.zeros(1, 1, SIZE, SIZE)
    for rows, columns in patches:
        empty[..., rows, columns] = 1
    return empty


def disc(shape: int, x: float, y: float, radius: float = 6.0) -> torch.Tensor:
    soft: torch.Tensor = coverage(pixel_grid() - torch.tensor([x, y]), torch.tensor(radius), torch.tensor(shape))
    return soft[None, None]


def test_chroma_is_the_spread_of_a_pixel_s_channels() -> None:
    rgb = torch.tensor([0.9, 0.2, 0.5]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2)
    assert_close(chroma(rgb), torch.full((1, 1, 2, 2), 0.7))
    grey = torch.full((1, 1, 3, 2, 2), 0.4)
    assert not chroma(grey).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_chroma_is_linear_in_what_a_sprite_covers_of_a_grey_pixel(share: float) -> None:
    colours = torch.tensor(SPRITE_COLOURS)[None, :, :, None, None]
    mixed = chroma(share * colours + (1 - share) * 0.5)
    assert_close(mixed, share * chroma(colours))


def test_growing_a_pixel_makes_a_square() -> None:
    grown = grow(plane((slice(10, 11), slice(20, 21))) > 0, 2)
    assert torch.equal(grown, plane((slice(8, 13), slice(18, 23))) > 0)


def test_flooding_keeps_the_strongest_connected_part() -> None:
    large, small = (slice(4, 12), slice(4, 12)), (slice(20, 23), slice(20, 23))
    mask = plane(large, small)
    assert torch.equal(flood(mask > 0, mask), plane(large) > 0)


def test_flooding_follows_corners_but_jumps_no_gap() -> None:
    touching = plane((slice(4, 10), slice(4, 10)), (slice(10, 13), slice(10, 13)))
    assert torch.equal(flood(touching > 0, touching), touching > 0)
    apart = plane((slice(4, 10), slice(4, 10)), (slice(11, 14), slice(11, 14)))
    assert flood(apart > 0, apart).sum() == 36


def test_flooding_nothing_finds_nothing() -> None:
    assert not flood(plane() > 0, plane()).any()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (31, 5), (16, 16)])
def test_the_centroid_of_one_pixel_is_that_pixel(x: int, y: int) -> None:
    place = centroid(plane((slice(y, y + 1), slice(x, x + 1))))[0, 0]
    assert_close(place, pixel_grid()[y, x])


def test_the_centroid_weighs() -> None:
    weight = plane((slice(8, 9), slice(4, 5))) + 3 * plane((slice(8, 9), slice(8, 9)))
    assert_close(centroid(weight)[0, 0], pixel_grid()[8, 7])
    assert not centroid(plane()).any()


@pytest.mark.parametrize("colour", range(len(COLOURS)))
def test_a_patch_of_a_colour_votes_for_it(colour: int) -> None:
    rgb = torch.tensor(SPRITE_COLOURS[colour]).view(1, 1, 3, 1, 1).expand(1, 1, 3, SIZE, SIZE)
    voted, purity = vote_colour(rgb, plane((slice(4, 9), slice(4, 9))) > 0)
    assert voted.item() == colour
    assert purity.item() == 1


def test_purity_is_the_winner_s_share() -> None:
    rgb = torch.tensor(SPRITE_COLOURS[0]).view(1, 1, 3, 1, 1).repeat(1, 1, 1, SIZE, SIZE)
    rgb[..., :4, 4:8] = torch.tensor(SPRITE_COLOURS[1]).view(1, 1, 3, 1, 1)
    voted, purity = vote_colour(rgb, plane((slice(0, 16), slice(4, 8))) > 0)
    assert voted.item() == 0
    assert purity.item() == pytest.approx(0.75)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("place", [(16.0, 16.0), (12.3, 18.7)])
def test_a_template_fits_itself_best(shape: int, place: tuple[float, float]) -> None:
    soft = disc(shape, *place)
    fitted, iou = fit_shape(soft, centroid(soft))
    assert fitted.item() == shape
    assert iou.item() > 0.93


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_areas_of_unit_radius(shape: int) -> None:
    assert disc(shape, 16, 16, 9.0).sum() == pytest.approx(AREA_OF_UNIT_RADIUS[shape] * 81, rel=0.03)


def test_true_sprites_are_found_as_they_are() -> None:
    states = trace([sample(11, index) for index in range(20)], 0, 4)
    found = find_sprites((render(states) + 1) / 2)
    assert found.one.all()
    assert_close(found.centre, states.centre, atol=0.35, rtol=0)
    assert torch.equal(found.colour, states.colour.expand_as(found.colour))
    assert torch.equal(found.shape, states.shape.expand_as(found.shape))


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_an_empty_frame_has_no_sprite(grey: float) -> None:
    assert not find_sprites(torch.full((1, 2, 3, SIZE, SIZE), grey)).one.any()
