import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from evaluation.networks.flow import correlated, halvings, look_up, pixel_grid, resized, sampled, warped
from tests import tiny


def test_the_grid_names_columns_then_rows() -> None:
    grid = pixel_grid(torch.zeros(1, 1, 2, 3))
    assert grid.tolist() == [[[[0, 1, 2], [0, 1, 2]], [[0, 0, 0], [1, 1, 1]]]]


def test_sampling_at_pixels_gives_pixels() -> None:
    images = tiny.normal(2, 3, 4, 5)
    assert_close(sampled(images, pixel_grid(images).expand(2, -1, -1, -1), outside="zeros"), images)


def by_hand(image: Tensor, x: float, y: float, *, border: bool) -> float:
    """One channel between pixels, from its four neighbours."""
    height, width = image.shape
    if border:
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    left, top = int(x // 1), int(y // 1)
    value = 0.0
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        if 0 <= column < width and 0 <= row < height:
            value += float(image[row, column]) * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


@given(x=st.floats(-3, 8), y=st.floats(-3, 8), border=st.booleans())
def test_sampling_between_pixels(x: float, y: float, border: bool) -> None:
    images = tiny.normal(1, 1, 5, 6)
    found = sampled(images, torch.tensor([x, y]).view(1, 2, 1, 1), outside="border" if border else "zeros")
    assert float(found) == pytest.approx(by_hand(images[0, 0], x, y, border=border), abs=1e-4)


def test_a_whole_flow_shifts_and_repeats_the_edge() -> None:
    images = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0] = 1
    assert warped(images, flow)[0, 0, 0].tolist() == pytest.approx([1, 2, 3, 3])
    flow[:, 1] = -1
    assert warped(images, flow)[0, 0, 1].tolist() == pytest.approx([1, 2, 3, 3])


def test_resizing_keeps_what_is_straight() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 4, 8)
    assert resized(ramp, 1) is ramp
    assert_close(resized(ramp, 0.5)[0, 0, 0], torch.tensor([0.5, 2.5, 4.5, 6.5]))
    assert_close(resized(ramp, 2)[0, 0, 0, 1:-1], torch.arange(0.25, 7, 0.5))


def test_correlation_is_the_dot_product_both_ways() -> None:
    first, second = tiny.normal(2, 4, 3, 5, seed=1), tiny.normal(2, 4, 3, 5, seed=2)
    found = correlated(first, second, 1)
    for image, row, column in ((0, 0, 0), (1, 2, 3)):
        place = image * 15 + row * 5 + column
        forth = (first[image, :, row, column, None, None] * second[image]).sum(0) / 2
        back = (second[image, :, row, column, None, None] * first[image]).sum(0) / 2
        assert_close(found.forth[0][place, 0], forth)
        assert_close(found.back[0][place, 0], back)


def test_halvings_are_means() -> None:
    maps = tiny.normal(3, 1, 6, 9)
    whole, half, quarter = halvings(maps, 3)
    assert torch.equal(whole, maps)
    assert half.shape == (3, 1, 3, 4)
    assert_close(half[:, :, 1, 2], maps[:, :, 2:4, 4:6].mean((2, 3)))
    assert_close(quarter[:, :, 0, 0], maps[:, :, :4, :4].mean((2, 3)))


def test_a_window_is_read_column_by_column_level_by_level() -> None:
    pyramid = [tiny.normal(6, 1, 7, 8, seed=1), tiny.normal(6, 1, 3, 4, seed=2)]
    points = torch.rand(1, 2, 2, 3, generator=torch.Generator().manual_seed(0)) * 6
    found = look_up(pyramid, points, 1)
    assert found.shape == (1, 18, 2, 3)
    expected = [
        by_hand(pyramid[level][1 * 3 + 2, 0], float(x) / 2**level + dx, float(y) / 2**level + dy, border=False)
        for x, y in [points[0, :, 1, 2]]
        for level in (0, 1)
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    ]
    assert found[0, :, 1, 2].tolist() == pytest.approx(expected, abs=1e-5)


def test_places_of_several_images_do_not_meet() -> None:
    first, second = tiny.normal(2, 4, 4, 4, seed=1), tiny.normal(2, 4, 4, 4, seed=2)
    points = tiny.normal(2, 2, 4, 4, seed=3)
    together = look_up(correlated(first, second, 2).forth, points, 1)
    for image in range(2):
        one = slice(image, image + 1)
        alone = look_up(correlated(first[one], second[one], 2).forth, points[one], 1)
        assert_close(together[one], alone)
