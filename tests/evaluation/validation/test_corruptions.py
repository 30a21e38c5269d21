"""Damage does what it says, the more the worse, and nothing at severity 0."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evaluation.validation import corruptions
from evaluation.validation.corruptions import CORRUPTIONS, PERIOD, Corruption
from reward_forcing.toy.render import render
from reward_forcing.toy.tracker import track
from reward_forcing.toy.world import sample, trace
from reward_forcing.videos import to_float, to_uint8

PROMPT = "red circle fast pan-fast"
STATES = trace([sample(5, 1, caption=PROMPT)], 0, 48)
TRUE = to_uint8(render(STATES))[0]
BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}
SWEEP = pytest.mark.parametrize("corruption", CORRUPTIONS, ids=list(BY_NAME))


def difference(frames: Tensor) -> float:
    return float((frames.float() - TRUE.float()).abs().mean())


@SWEEP
def test_severity_0_changes_nothing(corruption: Corruption) -> None:
    assert torch.equal(corruption(STATES, 0.0), TRUE)


@SWEEP
def test_more_severe_is_further_from_the_truth(corruption: Corruption) -> None:
    found = [difference(corruption(STATES, severity)) for severity in (0.0, 0.5, 1.0)]
    assert found == sorted(found)
    assert found[1] > 0


@SWEEP
def test_videos_stay_videos_and_damage_is_repeatable(corruption: Corruption) -> None:
    once, again = corruption(STATES, 0.7), corruption(STATES, 0.7)
    assert torch.equal(once, again)
    assert (once.shape, once.dtype) == (TRUE.shape, torch.uint8)


@SWEEP
@pytest.mark.parametrize("severity", [-0.1, 1.5])
def test_severities_are_shares(corruption: Corruption, severity: float) -> None:
    with pytest.raises(ValueError, match=f"{corruption.name!r}: severity is {severity}; allowed: 0 to 1"):
        corruption(STATES, severity)


@pytest.mark.parametrize(
    "damage",
    [
        corruptions.frozen,
        corruptions.slowed,
        corruptions.reset,
        corruptions.flashback,
        corruptions.colour_drift,
        corruptions.brightening,
        corruptions.fading,
        corruptions.blur,
        corruptions.noise,
        corruptions.jitter,
    ],
)
def test_frames_of_any_size_can_be_damaged(damage: Callable[[Tensor, float], Tensor]) -> None:
    frames = torch.randint(0, 256, (7, 3, 24, 50), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    before = frames.clone()
    assert damage(frames, 1.0).shape == frames.shape
    assert torch.equal(damage(frames, 0.0), frames)
    assert torch.equal(frames, before)


def test_frozen_stands_still_from_where_it_should() -> None:
    half = corruptions.frozen(TRUE, 0.5)
    assert torch.equal(half[:25], TRUE[:25])
    assert (half[24:] == TRUE[24]).all()
    assert (corruptions.frozen(TRUE, 1.0) == TRUE[0]).all()


def test_slowed_is_half_the_speed_at_worst() -> None:
    assert torch.equal(corruptions.slowed(TRUE, 1.0), TRUE[:24].repeat_interleave(2, 0))
    assert torch.equal(corruptions.slowed(TRUE, 0.5)[40], TRUE[30])


def test_resets_and_flashbacks_show_the_beginning_again() -> None:
    again = corruptions.reset(TRUE, 1.0)
    assert torch.equal(again[PERIOD : 2 * PERIOD], TRUE[:PERIOD])
    assert torch.equal(corruptions.reset(TRUE, 0.5)[: 2 * PERIOD], TRUE[: 2 * PERIOD])
    flash = corruptions.flashback(TRUE, 1.0)
    assert torch.equal(flash[24:32], TRUE[:8])
    assert torch.equal(torch.cat([flash[:24], flash[32:]]), torch.cat([TRUE[:24], TRUE[32:]]))


def test_light_changes_by_levels() -> None:
    grey = torch.full((5, 3, 8, 8), 100, dtype=torch.uint8)
    assert corruptions.brightening(grey, 1.0)[:, 0, 0, 0].tolist() == [100, 115, 130, 145, 160]
    assert corruptions.colour_drift(grey, 1.0)[-1, :, 0, 0].tolist() == [125, 75, 125]
    grain = corruptions.noise(grey, 0.5).float() - 100
    assert float(grain.std()) == pytest.approx(6, rel=0.1)
    assert abs(float(grain.mean())) < 0.5


def test_fading_loses_contrast_and_blur_loses_edges() -> None:
    faded = corruptions.fading(TRUE, 1.0).float()
    assert float(faded[-1].std() / TRUE[-1].float().std()) == pytest.approx(0.6, abs=0.25)
    assert faded.mean((2, 3)) == pytest.approx(TRUE.float().mean((2, 3)), abs=0.5)
    soft = corruptions.blur(TRUE, 1.0).float()
    edges, before = (frames.diff(dim=-1).abs().mean((1, 2, 3)) for frames in (soft, TRUE.float()))
    assert (edges <= before + 0.05).all()
    assert edges[-1] < 0.85 * before[-1]
    assert soft.mean((1, 2, 3)) == pytest.approx(TRUE.float().mean((1, 2, 3)), abs=2)


def test_jitter_shakes_one_frame() -> None:
    shaken = corruptions.jitter(TRUE, 1.0)
    middle = (..., slice(4, 28), slice(4, 28))
    windows = TRUE[0].unfold(1, 24, 1).unfold(2, 24, 1).flatten(1, 2).transpose(0, 1)
    assert all((windows == frame[middle]).flatten(1).all(1).any() for frame in shaken)
    assert len({frame.numpy().tobytes() for frame in shaken}) > 10
    assert torch.equal(corruptions.jitter(TRUE, 0.5)[:24], TRUE[:24])


def test_sprites_are_exchanged_or_gone_in_the_second_half() -> None:
    switched, gone = (track(to_float(BY_NAME[n](STATES, 1.0))[None], [PROMPT]) for n in ("identity switch", "vanish"))
    assert switched.one.all()
    assert switched.colour_kept[0].tolist() == [1] * 24 + [0] * 24
    assert switched.shape_kept[0].tolist() == [1] * 24 + [0] * 24
    assert gone.one[0].tolist() == [True] * 24 + [False] * 24
