"""Notes of tiny real trainings."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.callbacks import progress_notes
from reward_forcing.callbacks.progress_notes import ProgressNotes
from tests import training


def noted(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_where_a_run_ended_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "run/progress.json"
    notes = ProgressNotes(path, {"config_hash": "abc"}, {})
    training.fit(training.pretraining(), 3, notes)
    said = noted(path)
    assert (said["config_hash"], said["step"], said["steps"], said["left"]) == ("abc", 3, 3, 0.0)
    assert datetime.fromisoformat(said["started"]).tzinfo is not None
    assert 0 < said["seconds"] <= notes.seconds
    assert [file.name for file in path.parent.iterdir()] == ["progress.json"]


def test_a_continued_run_adds_its_seconds_and_keeps_its_date(tmp_path: Path) -> None:
    before = {"started": "2026-01-01T00:00:00+00:00", "seconds": 100.0}
    training.fit(training.pretraining(), 2, ProgressNotes(tmp_path / "notes.json", {}, before))
    said = noted(tmp_path / "notes.json")
    assert said["started"] == before["started"]
    assert 100 < said["seconds"] < 200


def test_notes_are_taken_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {}
    for interval in (0.0, 1000.0):
        monkeypatch.setattr(progress_notes, "INTERVAL", interval)
        written: list[int] = []
        monkeypatch.setattr(ProgressNotes, "write", lambda _, trainer, to=written: to.append(trainer.global_step))
        training.fit(training.pretraining(), 3, ProgressNotes(tmp_path / "notes.json", {}, {}))
        counts[interval] = written
    assert counts == {0.0: [0, 1, 2, 3, 3], 1000.0: [0, 3]}
