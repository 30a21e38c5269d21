"""Summaries of tables whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.courses import UNSIGNED, judge
from evaluation.measure import discover
from evaluation.summary import (
    DRIFTS,
    PRIMARY,
    Summary,
    check_reference,
    compare,
    estimate,
    scores,
    summarise,
    verdict,
)
from evaluation.table import Record
from evaluation.windows import CLIP
from tests.evaluation.made import record

MEASURES = discover()


def study(
    cells: dict[str, float], prompts: int = 24, *, metric: str = "palette_drift", frames: int = 48
) -> list[Record]:
    """Cells that differ by a constant and little noise, under prompts that differ much."""
    rng = np.random.default_rng(0)
    base = rng.normal(10, 3, prompts)
    noise = {cell: rng.normal(0, 0.1, prompts) for cell in cells}
    return [
        record(cell, seed, {metric: base[seed] + shift + noise[cell][seed]}, frames=frames)
        for cell, shift in cells.items()
        for seed in range(prompts)
    ]


def test_pairing_sees_what_means_do_not() -> None:
    summary = summarise(study({"none": 0.0, "ema": 0.3}), MEASURES)
    none, ema = (summary.estimates[cell]["palette_drift", "late"] for cell in ("none", "ema"))
    assert none.low < ema.mean < none.high
    compared = summary.compared("ema", ("palette_drift", "late"))
    assert compared is not None
    assert compared.difference.mean == pytest.approx(0.3, abs=0.1)
    assert compared.difference.low > 0
    assert (compared.verdict, compared.won, compared.prompts) == ("worse", 0, 24)
    assert compared.p < 0.01


def test_exchanging_cells_turns_the_signs() -> None:
    records = study({"none": 0.0, "ema": 0.3})
    one = summarise(records, MEASURES, "none").compared("ema", ("palette_drift", "all"))
    other = summarise(records, MEASURES, "ema").compared("none", ("palette_drift", "all"))
    assert one is not None
    assert other is not None
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert one.difference.low == pytest.approx(-other.difference.high)
    assert (one.verdict, other.verdict) == ("worse", "better")
    assert one.p == other.p
    assert one.won == 1 - other.won


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("palette_drift", "worse"), ("net_displacement", "better"), ("sink_similarity", "open"), ("contrast", "worse")],
)
def test_verdicts_know_what_is_better(metric: str, expected: str) -> None:
    compared = summarise(study({"a": 0.0, "b": 2.0}, metric=metric), MEASURES).compared("b", (metric, "all"))
    assert compared is not None
    assert compared.verdict == expected


def test_closer_to_the_target_is_better_from_either_side() -> None:
    records = [
        record(c, s, {"contrast": x + 0.01 * (s % 3)}) for c, x in (("far", 0.4), ("near", 1.2)) for s in range(24)
    ]
    compared = summarise(records, MEASURES).compared("near", ("contrast", "all"))
    assert compared is not None
    assert (compared.verdict, compared.won) == ("better", 1)


def test_no_difference_is_unclear() -> None:
    compared = summarise(study({"a": 0.0, "b": 0.0}), MEASURES).compared("b", ("palette_drift", "all"))
    assert compared is not None
    assert compared.verdict == "unclear"
    assert compared.p > 0.05


@pytest.mark.parametrize(
    ("low", "high", "word"), [(1, 2, "better"), (-2, -1, "worse"), (-1, 1, "unclear"), (np.nan, np.nan, "open")]
)
def test_verdicts_of_intervals(low: float, high: float, word: str) -> None:
    assert verdict(low, high) == word


def test_only_shared_videos_are_compared() -> None:
    records = [r for r in study({"a": 0.0, "b": 0.5}) if r.cell == "a" or r.seed < 10]
    summary = summarise(records, MEASURES)
    compared = summary.compared("b", ("palette_drift", "all"))
    assert compared is not None
    assert compared.prompts == 10
    assert compared.difference.mean == pytest.approx(0.5, abs=0.15)
    assert compare([record("a", 1, {})], [record("b", 2, {})], {}) == []


def test_cells_of_another_length_are_compared_on_first_clips_only() -> None:
    records = study({"student": 0.0}) + study({"teacher": -1.0}, frames=21)
    summary = summarise(records, MEASURES)
    assert summary.other_length == ("teacher",)
    assert summary.primary_of("teacher") == (("palette_drift", CLIP),)
    whole, clip = (summary.compared("teacher", ("palette_drift", window)) for window in ("all", CLIP))
    assert whole is not None
    assert clip is not None
    assert (whole.prompts, whole.verdict) == (0, "open")
    assert (clip.prompts, clip.verdict) == (24, "better")


def test_primary_p_values_are_corrected_and_others_not() -> None:
    cells = {"a": 0.0, "b": 0.02, "c": 0.03}
    summary = summarise(study(cells), MEASURES)
    primary = [summary.compared(cell, ("palette_drift", "late")) for cell in ("b", "c")]
    other = [summary.compared(cell, ("palette_drift", "early")) for cell in ("b", "c")]
    found, plain = ([c.p for c in some if c is not None] for some in (primary, other))
    assert min(found) == pytest.approx(min(1, 2 * min(plain)))
    assert ("palette_drift", "late") in PRIMARY
    assert ("palette_drift", "early") not in PRIMARY


def test_drift_is_a_column_like_others() -> None:
    flat = [record("a", s, {"contrast": 0.0}) for s in range(3)]
    rising = [replace(r, scores={"contrast": tuple(map(float, range(len(r.windows))))}) for r in flat]
    estimates = summarise(rising, MEASURES).estimates["a"]
    assert estimates["contrast", "drift_last_first"].mean == 2
    assert estimates["contrast", "drift_std"].mean == 1
    assert estimates["contrast", "drift_slope"].mean == pytest.approx(40)  # one window is 12 frames at 8 a second
    assert judge(MEASURES["net_displacement"], "drift_std").better == "lower"
    assert judge(MEASURES["net_displacement"], "all").better == "higher"


def test_curves_have_a_point_a_window() -> None:
    curve = summarise(study({"a": 0.0}), MEASURES).curves["a"]["palette_drift"]
    assert curve.seconds == (1.5, 3.0, 4.5)
    assert len(curve.points) == 3
    assert curve.points[0].low < curve.points[0].mean < curve.points[0].high


def test_baselines_are_apart_from_cells() -> None:
    records = [*study({"a": 0.0}), record("truth", 0, {"palette_drift": 0.0}, baseline=True)]
    summary = summarise(records, MEASURES)
    assert (summary.cells, summary.baselines, summary.comparisons) == (("a",), ("truth",), ())
    assert summary.estimates["truth"]["palette_drift", "all"].mean == 0


def test_an_unknown_reference_is_named() -> None:
    with pytest.raises(ValueError, match="reference: 'x' is not a cell of these videos; allowed: a, b"):
        summarise(study({"a": 0.0, "b": 0.0}), MEASURES, "x")


def test_a_summary_does_not_depend_on_the_order_of_other_cells() -> None:
    records = study({"a": 0.0, "b": 0.3, "c": 0.1})
    swapped = [r for cell in ("a", "c", "b") for r in records if r.cell == cell]

    def differences(summary: Summary) -> dict[tuple[str, str, str], float]:
        return {(c.cell, *c.column): c.difference.low for c in summary.comparisons if c.prompts}

    assert differences(summarise(records, MEASURES)) == differences(summarise(swapped, MEASURES))


def test_only_known_metrics_are_summarised() -> None:
    records = [record("a", s, {"contrast": 1.0, "made_up": 2.0}) for s in range(3)]
    summary = summarise(records, MEASURES)
    assert {metric for metric, _ in summary.estimates["a"]} == {"contrast"}
    assert set(summary.curves["a"]) == {"contrast"}


def test_missing_scores_are_left_out_and_not_counted() -> None:
    values = (1.0, 2.0, np.nan, 3.0)
    records = [record("a", s, {"contrast": value}) for s, value in enumerate(values)]
    found = summarise(records, MEASURES).estimates["a"]["contrast", "all"]
    assert (found.mean, found.videos) == (2, 3)
    half = 4.303 / 3**0.5  # Student's quantile for three videos that spread by 1
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), abs=0.2)


def test_other_worlds_are_compared_on_whole_videos() -> None:
    metric = next(name for name in MEASURES if name not in {name for name, _ in PRIMARY})
    summary = summarise(study({"a": 0.0, "b": 1.0}, metric=metric), MEASURES)
    assert summary.primary == ((metric, "all"),)
    compared, early = (summary.compared("b", (metric, window)) for window in ("all", "early"))
    assert compared is not None
    assert early is not None
    assert summary.is_primary(compared)
    assert not summary.is_primary(early)


def test_the_reference_and_baselines_are_not_compared() -> None:
    records = [*study({"a": 0.0, "b": 1.0}), record("truth", 0, {"palette_drift": 0.0}, baseline=True)]
    summary = summarise(records, MEASURES)
    assert summary.compared("a", ("palette_drift", "all")) is None
    assert summary.compared("truth", ("palette_drift", "all")) is None
    assert {c.cell for c in summary.comparisons} == {"b"}


@pytest.mark.parametrize("drift", [name for name in DRIFTS if name.startswith("drift")])
def test_unchanging_videos_do_not_drift(drift: str) -> None:
    found = summarise(study({"a": 0.0}, metric="contrast"), MEASURES).estimates["a"]["contrast", drift]
    best = 1 if drift == "drift_ratio" else 0
    assert (found.mean, found.low, found.high) == pytest.approx((best, best, best), abs=1e-9)


def test_unchanging_videos_hold_out_and_their_worst_is_their_all() -> None:
    found = summarise(study({"a": 0.0}), MEASURES).estimates["a"]
    assert found["palette_drift", "time_to_degrade"].mean == pytest.approx(3 * 12 / 8)
    assert found["palette_drift", "worst_window"].mean == pytest.approx(found["palette_drift", "all"].mean)


def test_signed_drift_should_be_none_and_unsigned_drift_little() -> None:
    measure = replace(MEASURES["contrast"], better="higher")
    judged = {name: judge(measure, name) for name in DRIFTS if name.startswith("drift")}
    assert {name for name, found in judged.items() if found.better == "lower"} == set(UNSIGNED)
    assert all(found.target == (1 if name == "drift_ratio" else 0) for name, found in judged.items())


def test_without_records_the_table_is_empty() -> None:
    columns = [("contrast", "all"), ("contrast", "late")]
    assert scores([], columns).shape == (0, 2)
    found = estimate([], columns)[columns[0]]
    assert found.videos == 0
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_the_reference_is_the_first_cell_unless_it_is_named() -> None:
    assert check_reference(None, ["b", "a"]) == "b"
    assert check_reference("a", ["b", "a"]) == "a"


@given(st.floats(-5, 5), st.floats(0.1, 5))
def test_estimates_move_with_their_scores(shift: float, scale: float) -> None:
    plain = np.random.default_rng(1).normal(size=8)
    column = ("contrast", "all")
    one, other = (
        estimate([record("a", s, {"contrast": float(x)}) for s, x in enumerate(values)], [column])[column]
        for values in (plain, scale * plain + shift)
    )
    moved = [scale * value + shift for value in (one.mean, one.low, one.high)]
    assert [other.mean, other.low, other.high] == pytest.approx(moved, abs=1e-6)


def trained(cell: str, effects: tuple[float, ...], prompts: int = 24) -> list[Record]:
    """A cell of several trained models, each with an effect of its own."""
    rng = np.random.default_rng(1)
    return [
        record(cell, seed, {"palette_drift": 1 + effect + rng.normal(0, 0.01)}, metadata={"training_seed": training})
        for training, effect in enumerate(effects)
        for seed in range(prompts)
    ]


def test_intervals_cover_the_training_seeds_too() -> None:
    """Three models that differ among each other say less than their many videos seem to."""
    effects = (-0.3, 0.0, 0.4)
    several = summarise(trained("a", effects), MEASURES).estimates["a"]["palette_drift", "all"]
    alone = summarise(trained("a", effects[:1]), MEASURES).estimates["a"]["palette_drift", "all"]
    assert several.videos == 72
    assert alone.high - alone.low < 0.02
    assert several.high - several.low > 0.5


def test_cells_are_paired_by_training_seed() -> None:
    effects = (-0.3, 0.0, 0.4)
    cells = [*trained("a", effects), *trained("b", tuple(effect + 0.1 for effect in effects))]
    compared = summarise(cells, MEASURES).compared("b", ("palette_drift", "all"))
    assert compared is not None
    assert compared.difference.mean == pytest.approx(0.1, abs=0.01)
    assert 0.08 < compared.difference.low < compared.difference.high < 0.12
    assert compared.verdict == "worse"


def test_a_column_with_few_scores_does_not_widen_the_others() -> None:
    rng = np.random.default_rng(3)
    values = [(rng.normal(), rng.normal() if seed < 2 else np.nan) for seed in range(20)]
    both = [record("a", seed, {"contrast": one, "copy_score": two}) for seed, (one, two) in enumerate(values)]
    alone = [record("a", seed, {"contrast": one}) for seed, (one, _) in enumerate(values)]
    found, expected = (summarise(records, MEASURES).estimates["a"]["contrast", "all"] for records in (both, alone))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert np.isnan(summarise(both[:1], MEASURES).estimates["a"]["contrast", "all"].low)
