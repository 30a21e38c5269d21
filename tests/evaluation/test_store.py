"""Scores survive a kill at any byte, and are taken again only where something they depend on changed."""

from pathlib import Path

import pytest

from evaluation.store import Store
from evaluation.table import Record
from tests.evaluation.made import record

MARKS = {"motion": "", "beauty": "weights 1"}


def scored(number: int, **scores: float) -> Record:
    return record("cell", number, scores or {"motion": 0.5 + number, "beauty": 0.25})


def filled(path: Path, count: int) -> None:
    with Store(path) as store:
        for number in range(count):
            store.add(f"video {number}", scored(number), MARKS)
            store.flush()


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    filled(tmp_path / "scores.jsonl", 3)
    store = Store(tmp_path / "scores.jsonl")
    assert store.record("video 1", MARKS) == scored(1)
    assert store.record("video 1", {"beauty": "weights 1"}) == scored(1, beauty=0.25)
    assert store.record("video 9", MARKS) is None


@pytest.mark.parametrize(
    ("fingerprint", "marks", "lacks"),
    [
        ("video 0", MARKS, False),
        ("video 0", {"motion": ""}, False),
        ("video 0", {"beauty": "weights 2"}, True),
        ("video 0", {**MARKS, "new": ""}, True),
        ("video 7", MARKS, True),
    ],
)
def test_what_is_lacking_is_known(tmp_path: Path, fingerprint: str, marks: dict[str, str], *, lacks: bool) -> None:
    filled(tmp_path / "scores.jsonl", 1)
    assert Store(tmp_path / "scores.jsonl").lacks(fingerprint, marks) is lacks


def test_later_scores_join_earlier_ones(tmp_path: Path) -> None:
    filled(tmp_path / "scores.jsonl", 1)
    with Store(tmp_path / "scores.jsonl") as store:
        store.add("video 0", scored(0, beauty=0.75, new=0.125), {"beauty": "weights 2", "new": ""})
    store = Store(tmp_path / "scores.jsonl")
    marks = {"motion": "", "beauty": "weights 2", "new": ""}
    assert not store.lacks("video 0", marks)
    assert store.record("video 0", marks) == scored(0, motion=0.5, beauty=0.75, new=0.125)


def test_a_kill_at_any_byte_costs_one_line_at_most(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    filled(path, 2)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in (first, first + 1, (first + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with Store(path) as store:
            assert not store.lacks("video 0", MARKS)
            store.add("video 1", scored(1), MARKS)
        assert Store(path).record("video 1", MARKS) == scored(1)


def test_a_metric_without_a_score_is_not_tried_again(tmp_path: Path) -> None:
    """A metric of the toy world has none on other videos."""
    with Store(tmp_path / "scores.jsonl") as store:
        store.add("video 0", scored(0, motion=1.0), {"motion": "", "palette": ""})
    assert not Store(tmp_path / "scores.jsonl").lacks("video 0", {"motion": "", "palette": ""})
