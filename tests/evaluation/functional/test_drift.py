"""Drift of scores whose course is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.drift import drift_last_first, drift_slope, drift_start_end, drift_std

COURSES = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=2, max_size=12).map(np.array)


def test_a_straight_course_by_hand() -> None:
    scores = np.array([[1.0, 2, 3, 4, 5], [5, 5, 5, 5, 5]])
    assert drift_std(scores) == pytest.approx([np.sqrt(2.5), 0])
    assert drift_last_first(scores) == pytest.approx([4, 0])
    assert drift_start_end(scores, share=0.4) == pytest.approx([3, 0])
    assert drift_slope(scores, seconds=2) == pytest.approx([30, 0])


@given(COURSES)
def test_spread_and_slope_agree_with_numpy(course: np.ndarray) -> None:
    assert drift_std(course) == pytest.approx(course.std(ddof=1), abs=1e-9)
    time = np.arange(len(course)) * 3 / 60
    assert drift_slope(course, seconds=3) == pytest.approx(np.polyfit(time, course, 1)[0], abs=1e-6)


@given(COURSES)
def test_backwards_the_signed_ones_turn_and_the_others_stay(course: np.ndarray) -> None:
    assert drift_last_first(course[::-1]) == pytest.approx(-drift_last_first(course))
    assert drift_slope(course[::-1], seconds=1) == pytest.approx(-drift_slope(course, seconds=1), abs=1e-6)
    assert drift_std(course[::-1]) == pytest.approx(drift_std(course))
    assert drift_start_end(course[::-1]) == pytest.approx(drift_start_end(course))


def test_unknown_windows_are_left_out() -> None:
    scores = np.array([1.0, np.nan, 3, 4])
    assert drift_std(scores) == pytest.approx(np.std([1, 3, 4], ddof=1))
    assert drift_slope(scores, seconds=60) == pytest.approx(np.polyfit([0, 2, 3], [1, 3, 4], 1)[0])
    assert drift_last_first(scores) == 3


@pytest.mark.parametrize("scores", [np.array([2.0]), np.array([np.nan, np.nan]), np.array([np.nan])])
def test_without_two_windows_there_is_no_drift(scores: np.ndarray) -> None:
    assert np.isnan(drift_std(scores))
    assert np.isnan(drift_last_first(scores))
    assert np.isnan(drift_start_end(scores))
    assert np.isnan(drift_slope(scores, seconds=1))


def test_spread_is_blind_to_what_is_constantly_bad() -> None:
    """Why a signed measure and the motion always stand beside it."""
    assert drift_std(np.full(9, 0.1)) == pytest.approx(drift_std(np.full(9, 0.9)), abs=1e-12)
