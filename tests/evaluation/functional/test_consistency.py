"""Consistency of features in closed form, and VBench-Long's fusion."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from evaluation.functional.consistency import clip_starts, consistency, fused
from evaluation.vbench.long import ClipMapping
from tests.evaluation.networks.filling import noise


def turning(step: float, frames: int) -> Tensor:
    """Features that rotate by an angle from frame to frame, at growing length."""
    angles = step * torch.arange(frames)
    return (torch.stack([angles.cos(), angles.sin()], 1) * (1 + torch.arange(frames))[:, None])[None]


@given(step=st.floats(0, 3.1), frames=st.integers(2, 30))
def test_rotating_features_have_a_closed_form(step: float, frames: int) -> None:
    found = float(consistency(turning(step, frames)).mean())
    to_first = np.mean([max(0.0, math.cos(i * step)) for i in range(1, frames)])
    assert found == pytest.approx((max(0.0, math.cos(step)) + to_first) / 2, abs=1e-5)


def test_it_is_vbenchs_loop() -> None:
    features = noise(2, 9, 1, 7)[:, :, 0].float() - 100
    for video, rows in zip(features, consistency(features), strict=True):
        total = 0.0
        for i in range(1, 9):
            before, first = (float(cosine_similarity(video[j], video[i], dim=0)) for j in (i - 1, 0))
            total += (max(0.0, before) + max(0.0, first)) / 2
        assert float(rows.mean()) == pytest.approx(total / 8, abs=1e-6)


def test_a_frozen_video_is_perfect_and_one_frame_has_no_rows() -> None:
    still = noise(1, 1, 1, 5)[:, :, 0].float().expand(1, 6, 5)
    torch.testing.assert_close(consistency(still), torch.ones(1, 5))
    assert consistency(still[:, :1]).shape == (1, 0)


def test_opposite_features_count_as_unlike_no_more() -> None:
    assert consistency(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])).tolist() == [[0]]


def test_slow_and_fast_are_fused_on_one_scale() -> None:
    table = ClipMapping((0.0, 0.5, 1.0), (0.0, 0.9, 1.0))
    assert fused(0.96, 0.25, table) == pytest.approx((0.96 + 0.45) / 2)
    assert fused(0.96, 0.25, table, weights=(1.0, 0.0)) == pytest.approx(0.96)
    assert fused(0.96, 0.0, table) == 0.96  # what maps to nothing does not count


@given(frames=st.integers(1, 200), length=st.integers(1, 40))
def test_clips_cover_the_video_at_full_length(frames: int, length: int) -> None:
    starts = clip_starts(frames, length)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if frames >= length:
        assert starts[-1] == frames - length
        assert len(starts) == -(-frames // length)
    else:
        assert starts == [0]


def test_clips_have_frames() -> None:
    with pytest.raises(ValueError, match="clips of 0 frames"):
        clip_starts(10, 0)
