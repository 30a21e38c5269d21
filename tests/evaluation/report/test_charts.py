"""Charts are well-formed, the same every time, and say who is who by one colour."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from evaluation.functional.degradation import Survival
from evaluation.measure import discover
from evaluation.report import charts
from evaluation.summary import Summary, summarise
from tests.evaluation.made import record

MEASURES = discover()


@pytest.fixture(scope="module")
def summary() -> Summary:
    rng = np.random.default_rng(0)
    cells = [record(c, seed, {"contrast": rng.normal()}) for c in ("none", "ema") for seed in range(6)]
    return summarise([*cells, record("truth", 0, {"contrast": 1.0}, baseline=True)], MEASURES)


def test_curves_and_differences_are_drawn_in_the_cells_colours(summary: Summary) -> None:
    curves = charts.over_time(summary, "contrast", MEASURES["contrast"])
    forest = charts.differences(summary, MEASURES["contrast"], ("contrast", "all"), "")
    paint = charts.colours(summary)
    assert all(colour.encode() in curves for colour in paint.values())
    assert paint["ema"].encode() in forest
    assert paint["none"].encode() not in forest
    for picture in (curves, forest):
        assert ET.fromstring(picture).tag.endswith("svg")


def test_the_same_figure_gives_the_same_bytes(summary: Summary) -> None:
    first, second = (charts.over_time(summary, "contrast", MEASURES["contrast"]) for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first


def test_colours_are_distinct_and_baselines_grey(summary: Summary) -> None:
    paint = charts.colours(summary)
    assert paint["truth"] == charts.GREY
    assert len({paint["none"], paint["ema"], charts.GREY}) == 3
    assert len(set(charts.COLOURS)) == len(charts.COLOURS)


@pytest.mark.parametrize("times", [{"ema": [0.1, 0.2, 0.1]}, {"ema": [0.1], "stranger": [0.3, 0.2]}])
def test_chunk_times_are_drawn(times: dict[str, list[float]]) -> None:
    picture = charts.chunk_times(times, {"ema": "#009e73"})
    assert b"#009e73" in picture
    assert ET.fromstring(picture).tag.endswith("svg")


def test_cells_keep_their_colours_when_there_are_more_than_colours() -> None:
    cells = [f"cell {i}" for i in range(len(charts.COLOURS) + 2)]
    paint = charts.colours(summarise([record(cell, 0, {"contrast": 1.0}) for cell in cells], MEASURES))
    assert [paint[cell] for cell in cells] == [*charts.COLOURS, *charts.COLOURS[:2]]


def test_only_baselines_are_dashed(summary: Summary) -> None:
    picture = charts.over_time(summary, "contrast", MEASURES["contrast"])
    styles = [e.get("style", "") for e in ET.fromstring(picture).iter()]
    dashed = [style for style in styles if "stroke-dasharray" in style]
    assert any(charts.GREY in style for style in dashed)
    for cell in summary.cells:
        colour = charts.colours(summary)[cell]
        assert any(f"stroke: {colour}" in style for style in styles)
        assert not any(colour in style for style in dashed)


def test_a_difference_that_is_not_there_is_not_drawn(summary: Summary) -> None:
    measure = MEASURES["contrast"]
    forest = charts.differences(summary, measure, ("contrast", "all"), "")
    empty = charts.differences(summary, measure, ("palette_drift", "all"), "")
    assert charts.colours(summary)["ema"].encode() not in empty
    assert charts.colours(summary)["ema"].encode() in forest
    assert ET.fromstring(empty).tag.endswith("svg")


def test_the_small_print_is_part_of_the_picture(summary: Summary) -> None:
    plain, told = (
        charts.differences(summary, MEASURES["contrast"], ("contrast", "all"), small) for small in ("", "late")
    )
    assert plain != told


def test_charts_leave_the_global_style_alone(summary: Summary) -> None:
    before = dict(mpl.rcParams)
    charts.over_time(summary, "contrast", MEASURES["contrast"])
    charts.chunk_times({"ema": [0.1, 0.2]}, {})
    assert dict(mpl.rcParams) == before


def test_strangers_side_by_side_have_different_colours() -> None:
    picture = charts.chunk_times({"one": [0.1, 0.2], "two": [0.2, 0.3]}, {})
    assert all(f"stroke: {colour}".encode() in picture for colour in charts.COLOURS[-2:])


def test_points_of_two_metrics_are_drawn_with_their_names(summary: Summary) -> None:
    values = {name: table["contrast", "all"] for name, table in summary.estimates.items()}
    axis = charts.Axis("contrast", "contrast ↑", values)
    picture = charts.pareto(summary, axis, axis)
    paint = charts.colours(summary)
    assert all(paint[cell].encode() in picture for cell in (*summary.cells, *summary.baselines))
    assert picture == charts.pareto(summary, axis, axis)
    nothing = charts.pareto(summary, axis, replace(axis, values={}))
    assert paint["ema"].encode() not in nothing


def test_survival_is_drawn_for_every_cell(summary: Summary) -> None:
    gone = Survival(np.array([1.0, 3.0]), np.array([0.5, 0.25]), np.array([4, 2]))
    whole = Survival(np.array([]), np.array([]), np.array([], dtype=int))
    picture = charts.survival(summary, {"none": gone, "ema": whole}, 10.0, MEASURES["contrast"])
    paint = charts.colours(summary)
    assert paint["none"].encode() in picture
    assert paint["ema"].encode() in picture
    assert paint["truth"].encode() not in picture
