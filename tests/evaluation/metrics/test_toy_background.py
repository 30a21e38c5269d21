"""Each kind of damage moves the metrics it should, the more the worse, and leaves the others."""

from functools import partial

import pytest
import torch

from evaluation.evidence import look
from evaluation.metrics.toy_background import contrast, copy_score, palette_drift
from reward_forcing.toy.captions import PLAIN
from reward_forcing.videos import to_float, to_uint8
from tests.evaluation.made import MOVING, Damage, copying, frozen, greyed, tinted, truth


def late(damage: Damage, prompts: tuple[str, ...] = MOVING) -> tuple[float, float, float]:
    """Palette drift, contrast and copy score in the last third of damaged truth."""
    frames = torch.stack([to_uint8(damage(clip)) for clip in to_float(truth(45, prompts))])
    part = look(frames, prompts).between(30, 45)
    drift, amplitude, copy = (float(function(part).nanmean()) for function in (palette_drift, contrast, copy_score))
    return drift, amplitude, copy


def test_a_tint_drifts_the_palette_more_the_stronger_it_is() -> None:
    drifts = [late(partial(tinted, strength=strength))[0] for strength in (0.0, 0.15, 0.3)]
    assert drifts[0] < 0.01
    assert drifts == sorted(drifts)
    assert drifts[2] > 0.05


def test_greying_loses_contrast_more_the_stronger_it_is() -> None:
    amplitudes = [late(partial(greyed, strength=strength))[1] for strength in (0.0, 0.4, 0.8)]
    assert amplitudes[0] == pytest.approx(1, abs=0.02)
    assert amplitudes == sorted(amplitudes, reverse=True)
    assert amplitudes[2] < 0.6


def test_fading_back_to_the_beginning_copies_more_the_stronger_it_is() -> None:
    copies = [late(partial(copying, strength=strength))[2] for strength in (0.0, 0.4, 0.8)]
    assert copies == sorted(copies)
    assert copies[2] > copies[0] + 0.3


def test_a_frozen_video_keeps_everything_and_copies_all() -> None:
    drift, amplitude, copy = late(frozen)
    assert (drift, amplitude, copy) == pytest.approx((0, 1, 1), abs=0.01)


def test_who_may_stay_is_not_asked_about_copying() -> None:
    still = look(
        truth(12, ("red circle slow pan-still", f"red circle slow {PLAIN}")),
        ["red circle slow pan-still", f"red circle slow {PLAIN}"],
    )
    assert copy_score(still).isnan().all()
    assert palette_drift(still).isfinite().all()
