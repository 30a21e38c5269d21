"""When videos degrade, and how many have not, against courses and survivals known by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.degradation import (
    Endurance,
    Survival,
    kaplan_meier,
    running_mean,
    time_to_degrade,
    worst_window,
)

TIMES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=15)


def endurance(pairs: list[tuple[int, bool]]) -> Endurance:
    return Endurance(np.array([float(t) for t, _ in pairs]), np.array([lost for _, lost in pairs]))


def test_the_worst_windows_are_low_ones() -> None:
    scores = np.array([np.arange(101.0), np.full(101, 7.0), np.full(101, np.nan)])
    assert worst_window(scores) == pytest.approx([5, 7, np.nan], nan_ok=True)
    assert worst_window(np.array([[3.0, np.nan, 1.0]]), percentile=0) == 1


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12).map(np.array))
def test_the_worst_windows_lie_between_the_lowest_and_the_median(course: np.ndarray) -> None:
    worst = worst_window(course[None])[0]
    assert course.min() <= worst <= np.median(course) + 1e-12


def test_a_step_down_is_found_when_it_comes() -> None:
    """Two windows make the beginning: the running mean falls as soon as one window does."""
    scores = np.array([[9.0, 9, 9, 9, 5, 5], [9, 9, 9, 9, 9, 9], [9, 9, 9, 9, 9, np.nan]])
    found = time_to_degrade(scores, seconds=2.5)
    assert found.seconds.tolist() == [10, 15, 12.5]
    assert found.degraded.tolist() == [True, False, False]


def test_the_spread_of_the_beginning_is_allowed() -> None:
    """Variances of 0.5 and 0 in the beginnings pool to a spread of 0.5; three of them are 1.5."""
    scores = np.array([[9.5, 8.5, 9, 7.6, 7.6], [5.0, 5, 5, 3.4, 3.4]])
    found = time_to_degrade(scores, seconds=2.5)
    assert found.seconds.tolist() == [12.5, 10]
    assert found.degraded.tolist() == [False, True]
    assert time_to_degrade(scores, seconds=2.5, sigmas=0.5).degraded.all()
    assert not time_to_degrade(scores, seconds=2.5, sigmas=9).degraded.any()


def test_one_bad_window_in_a_long_running_mean_is_forgiven() -> None:
    wobbly = np.array([[9.0, 10, 8, 9, 10, 7, 9, 9, 9]])
    assert not time_to_degrade(wobbly, seconds=1).degraded.any()
    assert time_to_degrade(wobbly, seconds=5, sigmas=0).degraded.all()


def test_who_is_never_seen_in_the_beginning_is_unknown() -> None:
    found = time_to_degrade(np.array([[np.nan, np.nan, 3, 2]]), seconds=2.5)
    assert np.isnan(found.seconds).all()
    assert not found.degraded.any()


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=12).map(np.array), st.floats(0.1, 9), st.floats(-9, 9))
def test_neither_scale_nor_level_matters(course: np.ndarray, scale: float, shift: float) -> None:
    course = course.round(2)
    one, other = (time_to_degrade(c[None], seconds=2, sigmas=1.7) for c in (course, scale * course + shift))
    close = np.abs(running_mean(course[None], 2) - course[:2].mean() + 1.7 * course[:2].std(ddof=1)) < 1e-6
    if not close.any():
        assert one.seconds == pytest.approx(other.seconds)


def test_running_means_end_where_they_belong() -> None:
    found = running_mean(np.array([[1.0, 3, np.nan, 7]]), 2)
    assert found[0] == pytest.approx([np.nan, 2, 3, 7], nan_ok=True)
    assert running_mean(np.array([[1.0, 3]]), 1).tolist() == [[1, 3]]


def test_survival_by_hand() -> None:
    """Of five, one is lost at 2, one leaves at 3, two are lost at 5, one holds out: 4/5, then 4/5 x 1/3."""
    found = kaplan_meier(endurance([(2, True), (3, False), (5, True), (5, True), (9, False)]))
    assert found.seconds.tolist() == [2, 5]
    assert found.share == pytest.approx([0.8, 0.8 / 3])
    assert found.at_risk.tolist() == [5, 3]
    assert [found.at(t) for t in (1, 2, 4.9, 5, 20)] == pytest.approx([1, 0.8, 0.8, 0.8 / 3, 0.8 / 3])


@given(TIMES)
def test_without_censoring_it_is_the_share_that_is_left(pairs: list[tuple[int, bool]]) -> None:
    times = np.array([float(t) for t, _ in pairs])
    found = kaplan_meier(Endurance(times, np.ones(len(times), bool)))
    assert all(found.at(t) == pytest.approx((times > t).mean()) for t in range(11))


@given(TIMES)
def test_survival_falls_from_one_and_agrees_with_the_product_written_out(pairs: list[tuple[int, bool]]) -> None:
    found, share = kaplan_meier(endurance(pairs)), 1.0
    for moment in sorted({t for t, lost in pairs if lost}):
        share *= 1 - sum(lost and t == moment for t, lost in pairs) / sum(t >= moment for t, _ in pairs)
        assert found.at(moment) == pytest.approx(share)
    assert (np.diff([1, *found.share]) <= 1e-12).all()
    assert found.at(0) == 1


def test_the_unknown_are_left_out_and_without_loss_all_are_left() -> None:
    found = kaplan_meier(Endurance(np.array([np.nan, 2.0, 4.0]), np.array([False, True, False])))
    assert (found.share.tolist(), found.at_risk.tolist()) == ([0.5], [2])
    assert kaplan_meier(endurance([(3, False)])).at(100) == 1
    assert isinstance(found, Survival)
