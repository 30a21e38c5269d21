"""Resampling of prompts and training seeds against slow loops, closed forms and simulated truth."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from jaxtyping import Float

from evaluation.statistics.crossed import Key, bootstrap_of, cross, difference_of, key_of, means, paired
from evaluation.statistics.intervals import Interval, bootstrap, draws, mean_interval, percentiles, t_quantile
from tests.evaluation.made import record

TRIALS = 500
"""Each a column: simulated intervals are computed all at once."""


def keys(prompts: int, seeds: int = 1, trained: int = 1) -> list[Key]:
    made = itertools.product(range(trained), range(prompts), range(seeds))
    return [Key(f"prompt {prompt:03d}", seed, str(model)) for model, prompt, seed in made]


def simulated(
    rng: np.random.Generator, trained: int, prompts: int, *, training: float, prompt: float, rest: float
) -> Float[np.ndarray, "video trial"]:
    """Scores whose true mean is 0, from standard deviations of training seeds, of prompts, and of what is left."""
    parts = [(trained, 1), (1, prompts), (trained, prompts)]
    sizes = training, prompt, rest
    scores = sum(size * rng.normal(size=(*part, TRIALS)) for size, part in zip(sizes, parts, strict=True))
    return np.asarray(scores).reshape(trained * prompts, TRIALS)


def coverage(interval: Interval, truth: float = 0.0) -> float:
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


def tolerance(share: float = 0.95, trials: int = TRIALS) -> float:
    """Three standard errors of a share."""
    return 3 * float(np.sqrt(share * (1 - share) / trials))


def test_keys_come_from_records() -> None:
    made = record("ema", 3, {}, metadata={"training_seed": 2})
    assert key_of(made) == ("prompt 3", 3, "2")
    assert key_of(record("ema", 3, {})) == Key("prompt 3", 3)


def test_one_training_seed_is_the_bootstrap_over_prompts() -> None:
    scores = np.random.default_rng(0).normal(size=(36, 3))
    scores[5, 1] = np.nan
    made = keys(12, seeds=3)
    plain = mean_interval(scores, [key.prompt for key in made], resamples=500)
    crossed = bootstrap_of(means, scores, made, method="percentile", resamples=500)
    for ours, theirs in zip(
        (crossed.mean, crossed.low, crossed.high), (plain.mean, plain.low, plain.high), strict=True
    ):
        assert ours == pytest.approx(theirs)


def test_crossed_means_are_a_loop_over_videos() -> None:
    rng = np.random.default_rng(1)
    made = keys(5, seeds=2, trained=3)
    scores = rng.normal(size=(30, 2))
    scores[[0, 7], [0, 1]] = np.nan
    prompts, trained = rng.multinomial(5, [0.2] * 5, size=4), rng.multinomial(3, [1 / 3] * 3, size=4)
    found = cross(scores, made).mean(prompts.astype(float), trained.astype(float))
    for row, column in itertools.product(range(4), range(2)):
        weights = [prompts[row, int(key.prompt[-3:])] * trained[row, int(key.training_seed)] for key in made]
        known = ~np.isnan(scores[:, column])
        assert found[row, column] == pytest.approx(np.average(scores[known, column], weights=np.array(weights)[known]))


def test_any_aggregate_is_computed_for_every_resample() -> None:
    """Two metrics on suites of their own and a weighted total, as a loop over resamples."""
    rng = np.random.default_rng(2)
    made = keys(20)
    scores = rng.random((20, 2))
    scores[:8, 0], scores[12:, 1] = np.nan, np.nan

    def total(mean: Float[np.ndarray, "resample column"]) -> Float[np.ndarray, "resample result"]:
        return np.asarray((4 * (mean[:, :1] - 0.2) / 0.8 + mean[:, 1:]) / 5)

    found = bootstrap_of(total, scores, made, method="percentile", resamples=200)
    totals = []
    for drawn in draws(20, resamples=200):
        first, second = (np.repeat(scores[:, i], drawn) for i in (0, 1))
        totals.append((4 * (np.nanmean(first) - 0.2) / 0.8 + np.nanmean(second)) / 5)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(np.percentile(totals, [2.5, 97.5])))
    assert found.mean[0] == pytest.approx((4 * (np.nanmean(scores[:, 0]) - 0.2) / 0.8 + np.nanmean(scores[:, 1])) / 5)


def test_with_one_training_seed_t_intervals_are_students() -> None:
    scores = np.random.default_rng(3).normal(size=(8, 1))
    found = bootstrap_of(means, scores, keys(8), resamples=50_000)
    half = t_quantile(7) * scores.std(ddof=1) / np.sqrt(8)
    assert found.high[0] - found.mean[0] == pytest.approx(half, rel=0.02)
    assert found.mean[0] - found.low[0] == pytest.approx(half, rel=0.02)


def test_with_many_prompts_and_seeds_both_methods_agree() -> None:
    scores = simulated(np.random.default_rng(4), 40, 60, training=1, prompt=1, rest=0.1)[:, :1]
    t, percentile = (
        bootstrap_of(means, scores, keys(60, trained=40), method=method, resamples=4000)
        for method in ("t", "percentile")
    )
    assert t.low == pytest.approx(percentile.low, abs=0.04)
    assert t.high == pytest.approx(percentile.high, abs=0.04)


@pytest.mark.parametrize(
    ("trained", "training", "measured"), [(3, 0.0, 0.972), (3, 0.3, 0.959), (3, 1.0, 0.922), (5, 1.0, 0.946)]
)
def test_t_intervals_cover_how_training_varies(trained: int, training: float, measured: float) -> None:
    """Standard deviations of prompts and of what is left are 1; measured with 4000 trials."""
    scores = simulated(np.random.default_rng(5), trained, 24, training=training, prompt=1, rest=1)
    found = coverage(bootstrap_of(means, scores, keys(24, trained=trained), resamples=400))
    assert found == pytest.approx(measured, abs=tolerance(measured))


def test_percentile_intervals_of_three_training_seeds_are_too_narrow() -> None:
    """Three models drawn with replacement vary by two thirds of what models do: 0.83 for a stated 0.95."""
    scores = simulated(np.random.default_rng(6), 3, 24, training=1, prompt=1, rest=1)
    made = keys(24, trained=3)
    percentile, t = (
        coverage(bootstrap_of(means, scores, made, method=method, resamples=400)) for method in ("percentile", "t")
    )
    ignored = coverage(mean_interval(scores, [key.prompt for key in made], resamples=400))
    assert percentile == pytest.approx(0.828, abs=tolerance(0.828))
    assert ignored < 0.6 < percentile < t


@pytest.mark.parametrize("make", [lambda r, n: r.normal(size=n), lambda r, n: r.exponential(size=n) - 1])
def test_paired_differences_are_covered_and_narrower(make: Callable[..., Float[np.ndarray, "..."]]) -> None:
    """Two cells of 25 prompts x 4 seeds that share what prompts and seeds do; the true difference is 0.5."""
    rng = np.random.default_rng(7)
    shared = make(rng, (25, 1, TRIALS)) + make(rng, (25, 4, TRIALS))
    ours, theirs = ((shared + 0.5 * make(rng, (25, 4, TRIALS))).reshape(100, TRIALS) for _ in range(2))
    made = keys(25, seeds=4)
    difference = difference_of(means, ours + 0.5, made, theirs, made, resamples=400)
    assert coverage(difference, 0.5) == pytest.approx(0.95, abs=tolerance())
    one, other = (bootstrap_of(means, scores, made, resamples=400) for scores in (ours, theirs))
    unpaired = np.hypot(one.high - one.mean, other.high - other.mean)
    assert np.median((difference.high - difference.mean) / unpaired) < 0.35


def test_pairs_agree_in_training_seed_prompt_and_seed() -> None:
    ours, theirs = [Key("a", 0, "1"), Key("b", 0, "1"), Key("a", 0, "2")], [Key("a", 0, "2"), Key("a", 0, "1")]
    table, shared = paired(np.array([[1.0], [2], [3]]), ours, np.array([[30.0], [10]]), theirs)
    assert table.tolist() == [[1, 10], [3, 30]]
    assert shared == [Key("a", 0, "1"), Key("a", 0, "2")]
    table, _ = paired(np.array([[np.nan], [2], [3]]), ours, np.array([[30.0], [10]]), theirs)
    assert np.isnan(table[0]).all()


def test_differences_are_of_the_aggregate() -> None:
    rng = np.random.default_rng(8)
    ours, theirs, made = rng.random((10, 2)), rng.random((10, 2)), keys(10)

    def product(mean: Float[np.ndarray, "resample column"]) -> Float[np.ndarray, "resample result"]:
        return np.asarray(mean[:, :1] * mean[:, 1:])

    found = difference_of(product, ours, made, theirs, made, method="percentile", resamples=300)
    assert found.mean[0] == pytest.approx(ours.mean(0).prod() - theirs.mean(0).prod())
    prompts = [key.prompt for key in made]
    apart = [product(bootstrap(scores, prompts, resamples=300)) for scores in (ours, theirs)]
    assert (found.low[0], found.high[0]) == pytest.approx(np.ravel(percentiles(apart[0] - apart[1])))


def test_exchanging_cells_turns_the_signs() -> None:
    rng = np.random.default_rng(9)
    ours, theirs, made = rng.random((18, 1)), rng.random((18, 1)), keys(6, trained=3)
    one, other = difference_of(means, ours, made, theirs, made), difference_of(means, theirs, made, ours, made)
    assert one.low == pytest.approx(-other.high)
    assert one.mean == pytest.approx(-other.mean)


def test_without_several_prompts_there_is_no_interval() -> None:
    for method in ("t", "percentile"):
        found = bootstrap_of(means, np.array([[1.0], [3]]), keys(1, trained=2), method=method, resamples=50)
        assert found.mean[0] == 2
        assert np.isnan([found.low[0], found.high[0]]).all()
    certain = bootstrap_of(means, np.full((6, 1), 2.0), keys(6), resamples=50)
    assert (certain.low[0], certain.high[0]) == (2, 2)


def test_columns_without_scores_have_no_estimate() -> None:
    scores = np.random.default_rng(10).normal(size=(9, 2))
    scores[:, 1] = np.nan
    found = bootstrap_of(means, scores, keys(9), resamples=50)
    assert np.isnan([found.mean[1], found.low[1], found.high[1]]).all()
    alone = bootstrap_of(means, scores[:, :1], keys(9), resamples=50)
    assert (found.low[0], found.high[0]) == pytest.approx((alone.low[0], alone.high[0]))


def test_wrong_keys_are_named() -> None:
    with pytest.raises(ValueError, match="2 keys for 3 rows of scores; there must be one a row"):
        bootstrap_of(means, np.ones((3, 1)), keys(2))
    with pytest.raises(ValueError, match="there are no videos to draw from"):
        bootstrap_of(means, np.ones((0, 1)), [])
    with pytest.raises(ValueError, match="prompt 000.* stands for several videos"):
        bootstrap_of(means, np.ones((2, 1)), keys(1) * 2)
    with pytest.raises(ValueError, match="two cells share no video: one has .*'1'.*the other .*'2'"):
        difference_of(means, np.ones((1, 1)), [Key("a", 0, "1")], np.ones((1, 1)), [Key("a", 0, "2")])
