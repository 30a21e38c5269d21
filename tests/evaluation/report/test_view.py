"""Numbers become words the way readers expect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measure import discover
from evaluation.report import view
from evaluation.summary import Estimate, Summary, summarise
from tests.evaluation.made import record

MEASURES = discover()


@pytest.fixture(scope="module")
def summary() -> Summary:
    rng = np.random.default_rng(0)
    means = {"none": (0.10, 5.0), "ema": (0.05, 5.0)}
    records = [
        record(cell, seed, {"palette_drift": drift + rng.normal(0, 0.01), "net_displacement": far + rng.normal()})
        for cell, (drift, far) in means.items()
        for seed in range(24)
    ]
    teacher = [
        record("teacher", seed, {"palette_drift": 0.0, "net_displacement": 5.0}, frames=21) for seed in range(24)
    ]
    frozen = record("frozen", 0, {"palette_drift": 0.0, "net_displacement": 0.0}, baseline=True)
    return summarise([*records, *teacher, frozen], MEASURES)


@pytest.mark.parametrize(
    ("values", "places"), [([123.4], 0), ([12.3, 1.0], 1), ([1.2], 2), ([0.04, 0.02], 3), ([], 2), ([float("nan")], 2)]
)
def test_decimals_suit_the_largest_value(values: list[float], places: int) -> None:
    assert view.decimals(values) == places


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_signs_are_always_shown_and_zero_has_no_minus(value: float, places: int) -> None:
    assert view.signed(value, places)[0] in "+-"
    assert float(view.signed(value, places)) == pytest.approx(round(value, places))
    assert view.fixed(-1e-9, places) == view.fixed(0.0, places)
    assert float(view.fixed(value, places)) == pytest.approx(round(value, places))


def test_what_is_unknown_is_a_dash_without_interval() -> None:
    unknown = Estimate(float("nan"), float("nan"), float("nan"), 0)
    assert (view.fixed(unknown.mean, 2), view.signed(unknown.mean, 2), view.interval(unknown, 2)) == ("–", "–", "")
    assert view.interval(Estimate(1, 0.5, 1.5, 3), 1) == "[0.5, 1.5]"


def test_headings_say_unit_window_and_direction() -> None:
    assert view.heading(("net_displacement", "all"), MEASURES) == ("net displacement", "px in 12 frames, ↑")
    assert view.heading(("palette_drift", "late"), MEASURES) == ("palette drift", "last third, ↓")
    assert view.heading(("contrast", "all"), MEASURES) == ("contrast", "→ 1")
    assert view.heading(("contrast", "drift_std"), MEASURES) == ("contrast", "drift: spread")


def test_the_table_shows_means_and_differences(summary: Summary) -> None:
    table = view.cells_table(summary, MEASURES, (("palette_drift", "late"),), {"ema": 33.31})
    rows = {row.name: row for row in table.rows}
    assert [row.kind for row in table.rows] == ["reference", "cell", "baseline"]
    assert rows["none"].fields[0].change == ""
    assert rows["ema"].fields[0].change == "-0.047"
    assert rows["ema"].fields[0].verdict == "better"
    assert rows["ema"].fields[0].change_interval.startswith("[-0.0")
    assert [row.fields[1].value for row in table.rows] == ["–", "33.3", "–"]
    assert table.headers[1] == ("speed", "frames per second, ↑")


def test_cells_of_another_length_are_shown_where_it_is_fair(summary: Summary) -> None:
    whole = view.cells_table(summary, MEASURES, summary.primary, {})
    clips = view.cells_table(summary, MEASURES, summary.primary_of("teacher"), {})
    assert "teacher" not in [row.name for row in whole.rows]
    assert "teacher" in [row.name for row in clips.rows]


def test_all_metrics_are_listed_unless_nobody_has_them(summary: Summary) -> None:
    table = view.metrics_table(summary, MEASURES, "all")
    assert [row.name for row in table.rows] == [
        "palette drift (↓)",
        "net displacement (px in 12 frames, ↑)",
    ]
    assert [name for name, _ in table.headers] == ["none", "ema", "teacher", "frozen"]


def test_verdicts_group_what_they_found(summary: Summary) -> None:
    ema, teacher = view.verdicts(summary, MEASURES)
    assert str(ema).startswith("ema against none (paired, 24 prompts): better on palette drift, last third (-0.047 [")
    assert str(ema).endswith("; no clear difference in net displacement.")
    assert dict(teacher.said)["better on"].startswith("palette drift, first clip")


def test_details_list_the_primary_comparisons(summary: Summary) -> None:
    rows = view.details(summary, MEASURES)
    assert [row[:3] for row in rows] == [
        ("ema - none", "palette drift", "last third"),
        ("ema - none", "net displacement", "whole video"),
        ("teacher - none", "palette drift", "first clip"),
        ("teacher - none", "net displacement", "first clip"),
    ]
    assert rows[0][5:] == ("100 %", "24", "< 0.001")


@pytest.fixture(scope="module")
def trained() -> Summary:
    """A cell trained on the motion it is compared on, and on palettes it was not trained on."""
    rng = np.random.default_rng(0)
    records = [
        record(
            cell,
            seed,
            {"net_displacement": far + rng.normal(), "palette_drift": drift + rng.normal(0, 0.01)},
            metadata={"reward": reward},
        )
        for cell, far, drift, reward in (("dmd", 5.0, 0.1, "none"), ("re_dmd", 9.0, 0.05, "tracked_motion"))
        for seed in range(24)
    ]
    return summarise(records, MEASURES)


def test_what_a_cell_was_trained_on_is_marked(trained: Summary) -> None:
    table = view.cells_table(trained, MEASURES, trained.primary, {})
    assert [small for _, small in table.headers] == ["px in 12 frames, ↑, optimised", "last third, ↓"]
    assert {row.name: [field.optimised for field in row.fields] for row in table.rows} == {
        "dmd": [False, False],
        "re_dmd": [True, False],
    }
    rows = [row.name for row in view.metrics_table(trained, MEASURES, "all").rows]
    assert rows == ["net displacement (px in 12 frames, ↑, optimised)", "palette drift (↓)"]
    assert [row[1] for row in view.details(trained, MEASURES)] == ["net displacement (optimised)", "palette drift"]


def test_verdicts_name_what_was_optimised_last_and_say_so(trained: Summary) -> None:
    (verdict,) = view.verdicts(trained, MEASURES)
    (words, found), *others = verdict.said
    assert (words, others) == ("better on", [])
    assert found.startswith("palette drift, last third (-0.05")
    assert ", net displacement (+4" in found
    assert found.endswith(", optimised)")


def test_nothing_is_optimised_without_a_reward(summary: Summary) -> None:
    assert "optimised" not in repr([view.details(summary, MEASURES), view.verdicts(summary, MEASURES)])
    assert not any(field.optimised for row in view.metrics_table(summary, MEASURES, "all").rows for field in row.fields)
