"""Drift of scores whose course is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.drift import (
    drift_five_seconds,
    drift_last_first,
    drift_ratio,
    drift_slope,
    drift_slope_robust,
    drift_start_end,
    drift_std,
    drift_vde,
    drift_vde_normalised,
    known_mean,
    windows_of,
)

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
    assert np.isnan(drift_slope_robust(scores, seconds=1))
    assert np.isnan(drift_five_seconds(scores, seconds=1))
    assert np.isnan(drift_vde(scores))
    assert np.isnan(drift_vde_normalised(scores))
    assert np.isnan(drift_ratio(scores))


def test_spread_is_blind_to_what_is_constantly_bad() -> None:
    """Why a signed measure and the motion always stand beside it."""
    assert drift_std(np.full(9, 0.1)) == pytest.approx(drift_std(np.full(9, 0.9)), abs=1e-12)


def test_relative_drift_by_hand() -> None:
    """Changes of 100 %, 50 %, 0 % weigh 3, 2, 1."""
    scores = np.array([[2.0, 4, 3, 2], [2, 2, 2, 2], [0, 1, 1, 1], [-2, -4, -3, -2]])
    assert drift_vde(scores)[[0, 1, 3]] == pytest.approx([4, 0, 4])
    assert drift_vde_normalised(scores)[[0, 1, 3]] == pytest.approx([4 / 6, 0, 4 / 6])
    assert np.isnan(drift_vde(scores)[2])
    assert np.isnan(drift_vde_normalised(scores)[2])
    assert drift_ratio(np.array([[4.0, 9, 1], [0, 1, 1], [-1, 1, 2]])) == pytest.approx(
        [0.25, np.nan, np.nan], nan_ok=True
    )


@given(st.floats(0.1, 10), st.floats(-0.9, 2), st.integers(2, 20))
def test_a_jump_after_the_first_window_drifts_by_its_share(first: float, jump: float, count: int) -> None:
    """Then the normalised form is the relative change itself, whatever the length; the plain form grows with it."""
    scores = np.array([first, *[first * (1 + jump)] * (count - 1)])
    assert drift_vde_normalised(scores) == pytest.approx(abs(jump), rel=1e-6, abs=1e-9)
    assert drift_vde(scores) == pytest.approx(abs(jump) * count * (count - 1) / 2, rel=1e-6, abs=1e-7)


@given(COURSES)
def test_relative_drift_does_not_depend_on_the_scale(course: np.ndarray) -> None:
    scores = course + 10
    assert drift_vde(3 * scores) == pytest.approx(drift_vde(scores))
    assert drift_ratio(3 * scores) == pytest.approx(drift_ratio(scores))


def test_unknown_windows_carry_no_weight() -> None:
    scores = np.array([2.0, np.nan, 3, 3])
    assert drift_vde(scores) == pytest.approx(0.5 * 2 + 0.5 * 1)
    assert drift_vde_normalised(scores) == pytest.approx(0.5)


@given(COURSES)
def test_the_robust_slope_is_the_median_of_all_slopes(course: np.ndarray) -> None:
    slopes = [(course[j] - course[i]) / (j - i) for j in range(len(course)) for i in range(j)]
    assert drift_slope_robust(course, seconds=60) == pytest.approx(np.median(slopes), abs=1e-9)
    assert drift_slope_robust(course[::-1], seconds=60) == pytest.approx(-np.median(slopes), abs=1e-9)


def test_a_cut_does_not_move_the_robust_slope() -> None:
    scores = np.arange(10.0)
    torn = np.where(np.arange(10) == 9, -100.0, scores)
    assert drift_slope_robust(torn, seconds=60) == pytest.approx(1)
    assert drift_slope(torn, seconds=60) < -3


def test_five_seconds_are_as_many_windows_as_start_in_them() -> None:
    assert [windows_of(5, seconds) for seconds in (2.5, 2, 1, 10)] == [2, 2, 5, 1]
    assert drift_five_seconds(np.array([1.0, 3, 9, 9, 5, 7]), seconds=2.5) == 4
    assert drift_five_seconds(np.array([1.0, 3, 9]), seconds=10) == 8


def test_the_mean_of_what_is_known() -> None:
    assert known_mean(np.array([[1.0, np.nan, 3], [np.nan] * 3])) == pytest.approx([2, np.nan], nan_ok=True)
