"""Charts are well-formed, the same every time, and tell cells apart."""

from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from evaluation.speed.charts import charts
from tests.evaluation.speed.results import known


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = known()["cells"]
    return found


def words(picture: bytes) -> str:
    return " ".join(text for node in ET.fromstring(picture).iter() for text in [node.text or ""])


def test_all_charts_are_pictures_and_always_the_same(cells: list[dict[str, Any]]) -> None:
    drawn = charts(cells)
    assert drawn.keys() == {"latency", "memory", "stages", "distribution"}
    for picture in drawn.values():
        assert ET.fromstring(picture).tag.endswith("svg")
    assert charts(cells) == drawn


def test_charts_say_what_they_show(cells: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.speed.charts.STYLE", {"svg.fonttype": "none", "svg.hashsalt": "x"})
    drawn = {name: words(picture) for name, picture in charts(cells).items()}
    for name in ("latency", "memory", "distribution", "stages"):
        assert "student" in drawn[name]
        assert "theirs|x" in drawn[name]
    assert "MiB resident beyond the start" in drawn["memory"]
    assert "as fast as 10 frames/s" in drawn["distribution"]
    for stage in ("denoise", "decode", "stream"):
        assert stage in drawn["stages"]
    assert "text" not in drawn["stages"]


def test_pages_that_come_and_go_do_not_look_like_a_leak(
    cells: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.speed.charts.STYLE", {"svg.fonttype": "none"})
    flat = [
        cell | {"runs": [run | {"memory": {"resident": [4096 + run["before"]] * 4}} for run in cell["runs"]]}
        for cell in cells
    ]
    assert "1.0" in words(charts(flat)["memory"]), "the axis goes up to a mebibyte at least"


def test_a_playback_far_away_is_not_drawn(cells: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.speed.charts.STYLE", {"svg.fonttype": "none"})
    slow = [cell | {"playback": 0.1} for cell in cells]
    assert "as fast as" not in words(charts(slow)["distribution"])


def test_clips_of_one_chunk_and_many_cells_can_be_drawn(cells: list[dict[str, Any]]) -> None:
    run = cells[0]["runs"][0]
    short = {key: value[:1] if isinstance(value, list) and key != "size" else value for key, value in run.items()}
    short["memory"] = {"resident": [5]}
    clip = cells[0] | {"runs": [short], "ramp": 0}
    many = [clip | {"cell": f"cell {index}"} for index in range(12)]
    assert all(charts(many).values())


def test_drawing_leaves_no_settings_behind(cells: list[dict[str, Any]]) -> None:
    before = dict(mpl.rcParams)
    charts(cells)
    assert dict(mpl.rcParams) == before


def test_long_names_do_not_squeeze_the_charts(cells: list[dict[str, Any]]) -> None:
    """Warnings are errors here, and matplotlib warns of a chart that has no room left."""
    long = [cell | {"cell": f"{cell['cell']} ({'/a/very/long/path' * 12}/speed.json)"} for cell in cells]
    assert all(ET.fromstring(picture).tag.endswith("svg") for picture in charts(long * 2).values())
