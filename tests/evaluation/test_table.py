"""Scores come back from disk, and tables say what records say."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.table import (
    atomically,
    from_json,
    metric_names,
    number,
    plain,
    sliding,
    to_json,
    write_json,
    write_tables,
)
from tests.evaluation.made import record


def test_records_come_back() -> None:
    first = record("ema", 1, {"contrast": 0.25, "copy_score": float("nan")}, metadata={"a": 1})
    back = from_json(json.loads(json.dumps(to_json(first), allow_nan=False)))
    assert (back.cell, back.windows, back.metadata, back.frames) == (first.cell, first.windows, {"a": 1}, 48)
    assert back.scores["contrast"] == first.scores["contrast"]
    assert np.isnan(back.scores["copy_score"]).all()


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_keep_six_digits(value: float) -> None:
    assert number(plain(value)) == pytest.approx(value, rel=1e-5)


def test_scores_are_found_by_window() -> None:
    one = record("ema", 1, {"contrast": 0.25})
    assert one.score("contrast", "late") == 0.25
    assert np.isnan(one.score("contrast", "nowhere"))
    assert np.isnan(one.score("nothing", "late"))


def test_sliding_windows_of_shorter_videos_end_in_nan() -> None:
    table = sliding([record("a", 1, {"x": 1.0}, frames=48), record("a", 2, {"x": 2.0}, frames=24)], "x")
    assert table.shape == (2, 3)
    assert table[0].tolist() == [1, 1, 1]
    assert table[1, 0] == 2
    assert np.isnan(table[1, 1:]).all()
    assert sliding([record("a", 1, {})], "x").shape == (1, 0)


def test_metrics_are_listed_once_in_order() -> None:
    assert metric_names([record("a", 1, {"y": 1, "x": 1}), record("a", 2, {"x": 1, "z": 1})]) == ["y", "x", "z"]


def test_tables_have_a_row_a_video_and_a_row_a_window(tmp_path: Path) -> None:
    records = [record("a,b", 1, {"x": 1.5}), record("c", 2, {"y": float("nan")}, prompt='say "hi"')]
    write_tables(tmp_path, records)
    with (tmp_path / "per_video.csv").open(newline="") as file:
        videos = list(csv.DictReader(file))
    assert [(row["cell"], row["prompt"], row["x"], row["y"]) for row in videos] == [
        ("a,b", "prompt 1", "1.5", ""),
        ("c", 'say "hi"', "", ""),
    ]
    with (tmp_path / "per_window.csv").open(newline="") as file:
        windows = list(csv.DictReader(file))
    assert len(windows) == sum(len(r.windows) for r in records)
    assert [(row["window"], row["start"], row["stop"]) for row in windows[:2]] == [
        ("all", "0", "48"),
        ("clip", "0", "21"),
    ]


def test_files_are_complete_or_not_there(tmp_path: Path) -> None:
    def interrupted(partial: Path) -> None:
        partial.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomically(tmp_path / "made" / "file.txt", interrupted)
    assert not (tmp_path / "made" / "file.txt").exists()
    write_json(tmp_path / "made" / "file.json", {"a": "ü"})
    assert json.loads((tmp_path / "made" / "file.json").read_text(encoding="utf-8")) == {"a": "ü"}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "made" / "nan.json", float("nan"))
