"""Closed forms, coverage, and symmetry of the statistics."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.statistics.intervals import (
    bootstrap,
    by_cluster,
    cluster_means,
    draws,
    equivalence,
    holm,
    largest_difference,
    mcnemar_p,
    mean_interval,
    percentiles,
    share_won,
    sign_flip_p,
    t_quantile,
)

NUMBERS = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3))


def prompts(count: int, each: int = 1) -> list[str]:
    return [f"prompt {index:03d}" for index in range(count) for _ in range(each)]


def test_clusters_sum_what_is_known() -> None:
    scores = np.array([[1.0, 5], [2, np.nan], [4, 7], [np.nan, np.nan]])
    sums, counts = by_cluster(scores, ["b", "a", "b", "c"])
    assert sums.tolist() == [[2, 0], [5, 12], [0, 0]]
    assert counts.tolist() == [[1, 0], [2, 2], [0, 0]]
    means = cluster_means(scores, ["b", "a", "b", "c"])
    assert means[:2, 0].tolist() == [2, 2.5]
    assert np.isnan(means[0, 1])
    assert np.isnan(means[2]).all()


def test_every_draw_has_as_many_clusters_as_there_are() -> None:
    drawn = draws(7, resamples=50)
    assert drawn.shape == (50, 7)
    assert (drawn.sum(1) == 7).all()
    assert np.array_equal(drawn, draws(7, resamples=50))
    assert not np.array_equal(drawn, draws(7, resamples=50, seed=1))


def test_the_bootstrap_has_the_standard_error_of_the_mean() -> None:
    scores = np.random.default_rng(0).normal(3, 2, (60, 1))
    replicates = bootstrap(scores, prompts(60))
    assert replicates.std() == pytest.approx(scores.std() / np.sqrt(60), rel=0.03)
    assert replicates.mean() == pytest.approx(scores.mean(), abs=0.02)


def test_videos_of_one_prompt_are_drawn_together() -> None:
    """Ten equal videos a prompt say no more than one: the interval must not shrink."""
    base = np.random.default_rng(1).normal(size=(12, 1))
    one = mean_interval(base, prompts(12))
    ten = mean_interval(np.repeat(base, 10, axis=0), prompts(12, each=10))
    assert ten.low == pytest.approx(one.low)
    assert ten.high == pytest.approx(one.high)
    apart = mean_interval(np.repeat(base, 10, axis=0), prompts(120))
    assert apart.high - apart.low < 0.5 * (ten.high - ten.low)


NORMAL, SKEWED = np.random.Generator.normal, np.random.Generator.exponential


@pytest.mark.parametrize(
    ("count", "draw", "expected"),
    [
        (8, NORMAL, 0.891),
        (24, NORMAL, 0.932),
        (25, NORMAL, 0.933),
        (50, NORMAL, 0.942),
        (8, SKEWED, 0.863),
        (25, SKEWED, 0.919),
        (50, SKEWED, 0.941),
    ],
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(
    count: int, draw: Callable[..., np.ndarray], expected: float
) -> None:
    """Prompts x 4 seeds that correlate by 0.4 within a prompt.

    A percentile interval of normal scores is one of 1.96 sqrt((n - 1) / n) standard errors: Student's distribution says
    how often that covers. Of skewed scores the share is measured (4000 trials). Within three standard errors.
    """
    rng, trials = np.random.default_rng(2), 1000
    scores = np.sqrt(0.4) * draw(rng, size=(count, 1, trials)) + np.sqrt(0.6) * draw(rng, size=(count, 4, trials))
    truth = 0 if draw is NORMAL else np.sqrt(0.4) + np.sqrt(0.6)
    interval = mean_interval(scores.reshape(-1, trials), prompts(count, each=4), resamples=800)
    covered = np.mean((interval.low <= truth) & (interval.high >= truth))
    assert covered == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / trials))


def test_unknown_scores_are_left_out_and_one_prompt_has_no_interval() -> None:
    scores = np.array([[1.0, 2, np.nan], [3, np.nan, np.nan]])
    interval = mean_interval(scores, prompts(2))
    assert interval.mean[:2].tolist() == [2, 2]
    assert interval.low[0] <= 2 <= interval.high[0]
    assert np.isnan(interval.low[1:]).all()
    assert np.isnan(interval.mean[2])


@given(st.lists(NUMBERS, min_size=2, max_size=12), NUMBERS)
def test_intervals_move_with_the_scores(values: list[float], shift: float) -> None:
    scores = np.array(values)[:, None]
    first = mean_interval(scores, prompts(len(values)), resamples=200)
    moved = mean_interval(scores + shift, prompts(len(values)), resamples=200)
    assert first.low - 1e-9 <= first.mean <= first.high + 1e-9
    assert moved.low == pytest.approx(first.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(first.high + shift, abs=1e-6)


def test_columns_keep_their_pairing() -> None:
    scores = np.random.default_rng(3).normal(size=(20, 1))
    replicates = bootstrap(np.concatenate([scores, scores + 1], 1), prompts(20))
    assert np.allclose(replicates[:, 1] - replicates[:, 0], 1)


def test_percentiles_hold_the_middle() -> None:
    low, high = percentiles(np.arange(1001.0)[:, None], level=0.9)
    assert (low[0], high[0]) == pytest.approx((50, 950))
    low, high = percentiles(np.full((5, 2), np.nan))
    assert np.isnan([low, high]).all()


def test_ties_are_half_a_win() -> None:
    won = share_won(np.array([[1.0, np.nan], [0, np.nan], [-2, np.nan], [np.nan, np.nan]]))
    assert won[0] == pytest.approx(0.5)
    assert np.isnan(won[1])


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_few_signs_are_all_flipped(values: list[float]) -> None:
    differences = np.array(values)
    flips = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(values))]
    expected = np.mean([flip >= abs(differences.sum()) - 1e-9 for flip in flips])
    assert sign_flip_p(differences) == pytest.approx(expected, abs=1e-6)
    assert sign_flip_p(-differences) == sign_flip_p(differences)


def test_many_signs_are_drawn() -> None:
    clear = np.random.default_rng(4).normal(1, 1, 40)
    assert sign_flip_p(clear) == pytest.approx(1 / 10_001, abs=1e-3)
    nothing = np.tile([1.0, -1.0], 20)
    assert sign_flip_p(nothing) == 1
    assert sign_flip_p(np.append(clear, np.nan)) == sign_flip_p(clear)
    assert np.isnan(sign_flip_p(np.array([np.nan])))


def test_p_values_are_uniform_when_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    p_values = [sign_flip_p(rng.normal(size=10)) for _ in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.05)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.02, float("nan"), 0.9])
    assert adjusted[0] == pytest.approx(0.04)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert min(adjusted) == pytest.approx(min(1, len(p_values) * min(p_values)))


@pytest.mark.parametrize(
    ("freedom", "level", "expected"),
    [(1, 0.95, 12.7062), (2, 0.95, 4.30265), (2, 0.9, 2.91999), (7, 0.95, 2.36462), (23, 0.99, 2.80734)],
)
def test_quantiles_of_student_are_those_of_tables(freedom: float, level: float, expected: float) -> None:
    assert t_quantile(freedom, level) == pytest.approx(expected, rel=1e-5)


def test_quantiles_of_student_fall_to_the_normal_one() -> None:
    found = [t_quantile(freedom) for freedom in (1, 1.5, 2, 2.5, 10, 100, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(1.96, abs=1e-3)
    for freedom, level in ((0.5, 0.95), (3, 1.0), (float("nan"), 0.95)):
        with pytest.raises(ValueError, match="allowed: 1 or more, and within"):
            t_quantile(freedom, level)


def test_mcnemar_by_hand() -> None:
    """Eight clusters differ, one of them the other way: 2 (1 + 8) / 2^8."""
    differences = np.array([1.0] * 7 + [-1] + [0] * 20 + [np.nan])
    assert mcnemar_p(differences) == pytest.approx(18 / 256)
    assert mcnemar_p(np.zeros(4)) == 1
    assert np.isnan(mcnemar_p(np.array([np.nan])))
    assert mcnemar_p(np.ones(1200)) == pytest.approx(2 * math.exp(-1200 * math.log(2)))


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=10))
def test_of_single_flags_mcnemar_is_the_sign_flip(values: list[float]) -> None:
    assert mcnemar_p(np.array(values)) == pytest.approx(sign_flip_p(np.array(values)))
    assert mcnemar_p(-np.array(values)) == mcnemar_p(np.array(values))


def test_mcnemar_counts_clusters_not_videos() -> None:
    """Five flags a prompt, all equal, are one observation; how much a prompt differs does not matter."""
    rng = np.random.default_rng(6)
    difference = rng.integers(-1, 2, size=(30, 1)).astype(float)
    whole = cluster_means(np.repeat(difference, 5, axis=0), prompts(30, each=5))[:, 0]
    assert mcnemar_p(whole) == mcnemar_p(difference[:, 0]) == mcnemar_p(0.2 * difference[:, 0])


def test_mcnemar_rarely_finds_what_is_not_there() -> None:
    rng = np.random.default_rng(7)
    shares = rng.random((400, 40)).round(1)
    flags = rng.random((2, 400, 40)) < shares
    p_values = [mcnemar_p(row) for row in flags[0].astype(float) - flags[1]]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.02, 0.03, "equivalent"),
        (0.01, 0.04, "equivalent"),
        (-0.02, 0.06, "undecided"),
        (0.06, 0.09, "different"),
        (-0.09, -0.06, "different"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_equivalence_is_said_of_intervals_within_the_margin(low: float, high: float, said: str) -> None:
    assert equivalence(low, high, 0.05) == said
    with pytest.raises(ValueError, match="margin is 0; it must be above 0"):
        equivalence(low, high, 0)


def test_equivalence_is_rarely_said_where_the_difference_is_the_margin() -> None:
    """Two-sided 95 % intervals err on one side: 2.5 %."""
    trials = np.random.default_rng(8).normal(0.5, 1, size=(60, 1000))
    interval = mean_interval(trials, prompts(60), resamples=800)
    ends = zip(interval.low, interval.high, strict=True)
    wrong = np.mean([equivalence(low, high, 0.5) == "equivalent" for low, high in ends])
    assert 0.01 <= wrong <= 0.05
    assert largest_difference(-0.3, 0.2) == 0.3
