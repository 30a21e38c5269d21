"""Frames drawn again from what was found in them are the frames, unless something else is in them."""

import pytest
import torch

from reward_forcing.toy.backgrounds import BACKGROUND_CHROMA, MARGIN, fit_pattern
from reward_forcing.toy.likeness import BEST, Likeness, measure_likeness, psnr, redraw_background, unmix
from reward_forcing.toy.render import background_mix, render, sprite_mask
from reward_forcing.toy.sprites import Sprites, centroid, chroma, find_sprites, grow
from reward_forcing.toy.world import States, sample, switch, trace

SCENES = [
    sample(4, i, caption=f"{colour} {shape} {speed} {pan}")
    for i, (colour, shape, speed, pan) in enumerate(
        [
            ("red", "circle", "fast", "pan-fast"),
            ("cyan", "triangle", "medium", "pan-still"),
            ("blue", "cross", "slow", "plain"),
            ("yellow", "triangle", "any", "pan-any"),
        ]
    )
]
STATES = trace(SCENES, 0, 24)
RGB = (render(STATES) + 1) / 2


def pattern_of(rgb: torch.Tensor, states: States = STATES) -> torch.Tensor:
    mask = ~grow(chroma(rgb) > BACKGROUND_CHROMA, MARGIN)
    return fit_pattern(rgb, mask, states.plain > 0)


def measured(rgb: torch.Tensor, states: States = STATES) -> Likeness:
    return measure_likeness(rgb, find_sprites(rgb), pattern_of(rgb, states), states.plain > 0)


def test_the_truth_is_nothing_but_its_state() -> None:
    found = measured(RGB)
    assert (found.fidelity > 45).all()
    assert (found.fidelity.mean(1) > BEST - 0.3).all()
    assert (found.paint_error < 1e-3).all()
    assert (found.colour_kept == 1).all()
    assert (found.shape_kept == 1).all()
    assert found.from_start == pytest.approx((STATES.centre - STATES.centre[:, :1]).norm(dim=-1), abs=0.3)


def test_backgrounds_are_drawn_again_exactly() -> None:
    drawn = redraw_background(pattern_of(RGB), STATES.plain > 0)
    dark, bright = STATES.palette[:, None, :, :, None, None].unbind(2)
    true = torch.lerp(dark, bright, background_mix(STATES)[:, :, None])
    assert drawn == pytest.approx(true, abs=0.01)


def test_shares_of_pixels_are_found_to_a_hundredth_of_a_pixel() -> None:
    sprites = find_sprites(RGB)
    share = unmix(RGB, sprites, redraw_background(pattern_of(RGB), STATES.plain > 0))
    assert share == pytest.approx(sprite_mask(STATES), abs=0.05)
    assert (centroid(share) - STATES.centre).norm(dim=-1).mean() < 0.02
    assert (sprites.centre - STATES.centre).norm(dim=-1).mean() > (centroid(share) - STATES.centre).norm(dim=-1).mean()


def test_another_colour_and_shape_are_not_kept_from_when_they_come() -> None:
    scene = switch(SCENES[0], 10, "green circle fast pan-fast")
    states = trace([switch(scene, 16, "green cross fast pan-fast")], 0, 24)
    found = measured((render(states) + 1) / 2, states)
    assert found.colour_kept[0].tolist() == [1] * 10 + [0] * 14
    assert found.shape_kept[0].tolist() == [1] * 16 + [0] * 8


@pytest.mark.parametrize("strength", [0.02, 0.05])
def test_noise_costs_what_its_power_says(strength: float) -> None:
    noise = strength * torch.randn(RGB.shape, generator=torch.Generator().manual_seed(0))
    found = measured(RGB + noise)
    assert float(found.fidelity.nanmean()) == pytest.approx(-20 * torch.tensor(strength).log10().item(), abs=1.0)


def test_a_palette_that_is_not_the_first_ones_costs_fidelity_although_it_is_a_clean_picture() -> None:
    late = torch.arange(24)[None, :, None, None, None] >= 12
    tinted = torch.where(
        late & (chroma(RGB) < 0.3)[:, :, None], RGB + 0.06 * torch.tensor([1.0, -1, 1])[:, None, None], RGB
    )
    found = measured(tinted)
    assert (found.fidelity[:, :12] > 45).all()
    assert (found.fidelity[:, 12:] < 30).all()


def test_paint_that_fades_is_off_by_as_much() -> None:
    faded = torch.lerp(RGB, RGB.mean(2, keepdim=True), 0.1)
    found = measured(faded)
    expected = 0.1 * torch.tensor([0.92 - 0.36, 0.08 - 0.36, 0.08 - 0.36]).norm()
    assert found.paint_error[0].numpy() == pytest.approx(float(expected), abs=0.01)


def test_what_cannot_be_compared_is_unknown() -> None:
    gone = RGB.clone()
    gone[:, 12:] = 0.5
    found = measured(gone)
    for field in vars(found).values():
        assert field[:, 12:].isnan().all()
        assert field[:, :12].isfinite().all()
    never_begun = RGB.clone()
    never_begun[:, :3] = 0.5
    assert all(field.isnan().all() for field in vars(measured(never_begun)).values())


def test_the_first_frame_with_a_sprite_is_the_reference() -> None:
    late = RGB.clone()
    late[:, 0] = 0.5
    sprites = find_sprites(late)
    assert not sprites.one[:, 0].any()
    found = measured(late)
    assert (found.from_start[:, 1] == 0).all()
    assert (found.colour_kept[:, 1:] == 1).all()


def test_signal_to_noise_by_hand() -> None:
    grey = torch.full((1, 1, 3, 4, 4), 0.5)
    assert psnr(grey, grey + 0.1).item() == pytest.approx(20, abs=1e-3)
    assert psnr(grey, grey).item() == BEST


def test_nothing_is_shared_beyond_the_sprites_reach() -> None:
    sprites = find_sprites(RGB[:1, :1])
    far = Sprites(sprites.one, torch.full_like(sprites.centre, -50.0), sprites.colour, sprites.shape, sprites.iou)
    assert unmix(RGB[:1, :1], far, torch.zeros_like(RGB[:1, :1])).sum() == 0
