"""Measuring backgrounds: fits recover what was put in, references are kept, masks are respected."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reward_forcing.toy.backgrounds import (
    copy_of_first,
    distance_to_palette,
    fit_pattern,
    measure_backgrounds,
    palette_of,
    pan,
)
from reward_forcing.toy.render import WAVELENGTH_Y, background_mix, pixel_grid, render
from reward_forcing.toy.world import SIZE, WAVELENGTH, sample, trace

EVERYWHERE = torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool)
SEEDS = st.integers(0, 2**31)


def coefficients(seed: int) -> Tensor:
    """Random coefficients [pattern, colour]."""
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(seed))


def wave(of: Tensor) -> Tensor:
    """A picture [1, 1, 3, 32, 32] with these coefficients of (1, cos, sin)."""
    x, y = pixel_grid().unbind(-1)
    angle = 2 * torch.pi * (x / WAVELENGTH + y / WAVELENGTH_Y)
    return torch.einsum("kc,khw->chw", of, torch.stack((torch.ones_like(x), angle.cos(), angle.sin())))[None, None]


def gradient(of: Tensor) -> Tensor:
    """A picture with these coefficients of (1, x, y)."""
    x, y = (pixel_grid() / (SIZE / 2) - 1).unbind(-1)
    return torch.einsum("kc,khw->chw", of, torch.stack((torch.ones_like(x), x, y)))[None, None]


@given(SEEDS)
def test_a_fit_recovers_the_coefficients(seed: int) -> None:
    of = coefficients(seed)
    for picture, plain in ((wave(of), False), (gradient(of), True)):
        fit = fit_pattern(picture, EVERYWHERE, torch.tensor([plain]))
        torch.testing.assert_close(fit[0, 0], of, rtol=1e-3, atol=1e-3)


@given(SEEDS)
def test_a_fit_looks_only_under_the_mask(seed: int) -> None:
    of = coefficients(seed)
    picture, mask = wave(of), EVERYWHERE.clone()
    picture[..., 5:15, 5:15] = 7
    mask[..., 5:15, 5:15] = False
    torch.testing.assert_close(fit_pattern(picture, mask, torch.tensor([False]))[0, 0], of, rtol=2e-3, atol=2e-3)


def test_a_fit_of_nothing_is_finite() -> None:
    fit = fit_pattern(torch.rand(1, 1, 3, SIZE, SIZE), ~EVERYWHERE, torch.tensor([False]))
    assert bool(fit.isfinite().all())


@given(st.floats(-30, 30), st.floats(0, 64))
def test_pan_is_the_change_of_phase(speed: float, start: float) -> None:
    states = trace([sample(1, 0, caption="red circle slow pan-slow")], 0, 6)
    states.scroll.copy_(start + speed * torch.arange(6.0))
    mix = background_mix(states)[:, :, None].expand(1, 6, 3, SIZE, SIZE)
    fit = fit_pattern(mix, EVERYWHERE.expand(1, 6, SIZE, SIZE), torch.tensor([False]))
    torch.testing.assert_close(pan(fit), torch.full((1, 5), speed), rtol=0, atol=2e-3)


@given(SEEDS)
def test_a_palette_is_a_segment_through_all_its_pixels(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    ends, share = torch.rand(2, 3, generator=rng), torch.rand(1, 3, 1, SIZE, SIZE, generator=rng)
    ends[1, 0] = ends[0, 0] + 0.3
    picture = torch.lerp(ends[0][:, None, None], ends[1][:, None, None], share)
    mask = EVERYWHERE.expand(1, 3, SIZE, SIZE)
    centre, axis, span = palette_of(picture, mask)
    assert float(axis.norm()) == pytest.approx(1, abs=1e-4)
    assert float(span[0, 1] - span[0, 0]) == pytest.approx(float((ends[1] - ends[0]).norm()), rel=0.02)
    assert float(distance_to_palette(picture, mask, centre, axis, span=span).max()) < 1e-3


@given(st.floats(0.01, 0.3))
def test_distance_to_a_palette_is_euclidean_beside_and_beyond_it(far: float) -> None:
    centre, axis = torch.zeros(1, 3), torch.tensor([[1.0, 0, 0]])
    span = torch.tensor([[-0.2, 0.2]])
    for offset in ((0.1, far, 0.0), (0.2 + far, 0.0, 0.0), (-0.2 - far, 0.0, 0.0), (0.0, 0.0, -far)):
        picture = torch.tensor(offset)[None, None, :, None, None].expand(1, 1, 3, SIZE, SIZE)
        distance = distance_to_palette(picture, EVERYWHERE, centre, axis, span=span)
        assert float(distance) == pytest.approx(far, abs=1e-4)


@given(SEEDS, st.floats(0.2, 3), st.floats(-1, 1))
def test_copy_is_a_correlation(seed: int, gain: float, offset: float) -> None:
    plane = torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    video = torch.cat([plane, gain * plane + offset, -plane, torch.zeros_like(plane)], 1)
    score = copy_of_first(video, EVERYWHERE.expand(1, 4, SIZE, SIZE))[0].tolist()
    assert score == pytest.approx([1, 1, -1, 0], abs=1e-3)


@given(SEEDS)
def test_copy_is_what_numpy_calls_correlation(seed: int) -> None:
    video = torch.randn(1, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    expected = float(torch.corrcoef(video[0].flatten(1))[0, 1])
    assert float(copy_of_first(video, EVERYWHERE.expand(1, 2, SIZE, SIZE))[0, 1]) == pytest.approx(expected, abs=1e-4)


def test_plain_clips_do_not_pan_and_keep_their_contrast() -> None:
    scenes = [sample(3, index, caption="red cross fast plain") for index in range(6)]
    seen = measure_backgrounds((render(trace(scenes, 0, 8)) + 1) / 2, torch.ones(6, dtype=torch.bool))
    assert not seen.shift.any()
    torch.testing.assert_close(seen.contrast, torch.ones(6, 8), rtol=0, atol=5e-3)
    torch.testing.assert_close(seen.copy, torch.ones(6, 8), rtol=0, atol=1e-3)


def test_a_picture_without_background_is_measured_all_the_same() -> None:
    red = torch.tensor([0.92, 0.08, 0.08])[None, None, :, None, None].expand(1, 4, 3, SIZE, SIZE)
    seen = measure_backgrounds(red, torch.tensor([False]))
    for values in vars(seen).values():
        assert bool(values.isfinite().all())
