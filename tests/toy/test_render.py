"""Rendering: antialiased sprites whose area and centroid are the stated ones, over the stated background."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.toy.render import background_mix, coverage, pixel_grid, render, sprite_mask
from reward_forcing.toy.sprites import AREA_OF_UNIT_RADIUS
from reward_forcing.toy.world import WAVELENGTH, sample, trace

FEW = [sample(1, index) for index in range(12)]


@pytest.mark.parametrize("shape", [0, 1, 2])
@given(radius=st.floats(5.6, 6.8), x=st.floats(10, 22), y=st.floats(10, 22))
def test_area_and_centroid_of_a_sprite(shape: int, radius: float, x: float, y: float) -> None:
    cover = coverage(pixel_grid() - torch.tensor([x, y]), torch.tensor(radius), torch.tensor(shape))
    assert float(cover.sum()) == pytest.approx(AREA_OF_UNIT_RADIUS[shape] * radius**2, rel=0.05)
    centroid = (cover[..., None] * pixel_grid()).sum((0, 1)) / cover.sum()
    assert centroid.tolist() == pytest.approx([x, y], abs=0.2)


def test_values_and_shape() -> None:
    video = render(trace(FEW, 0, 5))
    assert video.shape == (12, 5, 3, 32, 32)
    assert float(video.min()) >= -1
    assert float(video.max()) <= 1


def test_any_slice_renders_alike() -> None:
    torch.testing.assert_close(render(trace(FEW, 0, 30))[:, 20:], render(trace(FEW, 20, 30)), rtol=0, atol=1e-6)
    torch.testing.assert_close(render(trace(FEW, 3, 6))[4:5], render(trace(FEW[4:5], 3, 6)), rtol=0, atol=1e-6)


def test_the_wave_returns_after_a_wavelength() -> None:
    scenes = [sample(1, 0, caption="red circle slow pan-slow")]
    states = trace(scenes, 0, 2)
    moved = trace(scenes, 0, 2)
    moved.scroll.add_(WAVELENGTH)
    torch.testing.assert_close(background_mix(states), background_mix(moved), rtol=0, atol=1e-4)


def test_the_wave_moves_left_by_the_pan() -> None:
    states = trace([sample(1, 0, caption="red circle slow pan-fast")], 0, 2)
    states.scroll[:, 1] = states.scroll[:, 0] + 3
    mix = background_mix(states)
    torch.testing.assert_close(mix[0, 0, :, 3:], mix[0, 1, :, :-3], rtol=0, atol=1e-5)


def test_a_plain_background_stands_still() -> None:
    states = trace([sample(1, 0, caption="red circle fast plain")], 0, 9)
    mix = background_mix(states)
    torch.testing.assert_close(mix[:, :1].expand_as(mix), mix)
    assert 0 <= float(mix.min()) < 0.2
    assert 0.8 < float(mix.max()) <= 1


def test_outside_the_sprite_only_the_palette_is_seen() -> None:
    states = trace(FEW, 0, 3)
    rgb = (render(states) + 1) / 2
    low, high = states.palette.amin(1), states.palette.amax(1)
    inside = (rgb >= low[:, None, :, None, None] - 1e-5) & (rgb <= high[:, None, :, None, None] + 1e-5)
    assert bool((inside.all(2) | (sprite_mask(states) > 0)).all())
