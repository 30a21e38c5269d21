"""A whole study, small: interrupted, gone on with, and done again for nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from reward_forcing.study.costs import runs as runs_of
from reward_forcing.study.planning import FAST, make_plan
from reward_forcing.study.running import prepare, run, told
from reward_forcing.sweeps.jobs import Outcome

NAME, MORE = "context_gradient", ["seed=0", "memory.window_frames=6"]
WAIT = 300
"""Seconds."""


def touched(folder: Path) -> dict[str, int]:
    """When every file but those that are only opened was written."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != "scores.jsonl")
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in files}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, dict[str, int]]:
    """The folder of all runs after Ctrl-C when the first student was trained; exit status; when files were written."""
    runs = tmp_path_factory.mktemp("runs")
    code = "import sys; from reward_forcing.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "study", NAME, "--fast", "--jobs", "1", "--runs", str(runs), *MORE]
    log = (runs / "log.txt").open("w")
    process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until = time.monotonic() + WAIT
    while not list(runs.glob("fast/students/*/summary.json")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    status = process.wait(WAIT)
    (first,) = (file.parent for file in runs.glob("fast/students/*/summary.json"))
    return runs, status, {f"fast/students/{first.name}/{name}": when for name, when in touched(first).items()}


@pytest.fixture(scope="module")
def finished(interrupted: tuple[Path, int, dict[str, int]]) -> Path:
    """The folder of the same study, gone on with."""
    runs, _, _ = interrupted
    assert run(NAME, MORE, fast=True, jobs=1, runs=runs) == 0
    return next((runs / "fast/studies").iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestWholeStudy:
    def test_a_study_can_be_stopped(self, interrupted: tuple[Path, int, dict[str, int]]) -> None:
        _, status, files = interrupted
        assert status == 130
        assert any(name.endswith("student.safetensors") for name in files)

    @pytest.mark.usefixtures("finished")
    def test_what_was_there_was_not_made_again(self, interrupted: tuple[Path, int, dict[str, int]]) -> None:
        runs, _, before = interrupted
        after = touched(runs)
        assert {name: after[name] for name in before} == before
        assert len(list(runs.glob("fast/students/*/summary.json"))) == 2

    def test_everything_promised_is_there(self, finished: Path) -> None:
        for name in (f"{NAME}.json", f"{NAME}.md", f"{NAME}.png", f"{NAME}_videos.png"):
            assert 0 < (finished / "results" / name).stat().st_size < 300_000, name
        page = (finished / "report.html").read_text(encoding="utf-8")
        assert "Equivalence" in page
        assert "no difference larger than" in page

    def test_findings_tell_where_they_come_from(self, finished: Path) -> None:
        found = json.loads((finished / "results" / f"{NAME}.json").read_text(encoding="utf-8"))
        assert found["cells"] == ["detached", "through"]
        assert found["command"] == f"reward-forcing study {NAME} {' '.join(MORE)} --fast"
        assert {student["name"] for student in found["students"]} == {"detached, seed 0", "through, seed 0"}
        assert not any(student["reused"] for student in found["students"])
        assert len(runs_of(finished)) == 2, "the one that was stopped, and the one that went on"
        for student in found["students"]:
            assert student["seconds"] > 0
            assert student["planned_flops"] > 1e9
            assert 0.1 < student["peak_memory_gib"] < 20
        told = {(d["cell"], d["metric"]) for d in found["differences"]}
        assert {("through", "palette_drift"), ("teacher", "palette_drift")} <= told

    def test_videos_are_paired_and_know_their_levels(self, finished: Path) -> None:
        keys = {}
        for cell in ("detached", "through", "teacher"):
            lines = (finished / "cells" / cell / "manifest.jsonl").read_text().splitlines()
            entries = [json.loads(line) for line in lines]
            keys[cell] = {(e["prompt"], e["seed"], e["metadata"]["training_seed"]) for e in entries}
            levels = {e["metadata"].get("gradient") for e in entries}
            assert levels == {cell if cell != "teacher" else None}
        assert keys["detached"] == keys["through"] == keys["teacher"]

    def test_again_nothing_is_made_but_the_summary(self, finished: Path, interrupted: tuple[Path, int, object]) -> None:
        runs = interrupted[0]
        before = touched(runs)
        assert run(NAME, MORE, fast=True, jobs=1, runs=runs) == 0
        changed = {name for name, when in touched(runs).items() if before.get(name) != when}
        assert {Path(name).suffix for name in changed} <= {".json", ".jsonl", ".csv", ".md", ".html", ".png"}
        assert not any("students" in name or "videos/" in name for name in changed)
        found = json.loads((finished / "results" / f"{NAME}.json").read_text(encoding="utf-8"))
        assert not any(student["reused"] for student in found["students"])
        assert found["seconds"] > runs_of(finished)[-1].seconds


def test_how_trainings_ended_is_told() -> None:
    (first, second) = make_plan(NAME, MORE, scale=FAST).students
    console = Console(record=True, width=200)
    done, before = Outcome(Path(), 2, "finished"), Outcome(Path(), 2, "finished before")
    failed, stopped = Outcome(Path(), 1, "failed", note="out of memory"), Outcome(Path(), 1, "stopped")
    assert told([(first, done), (second, before)], console) == 0
    assert told([(first, failed), (second, done)], console) == 1
    assert told([(first, stopped), (second, Outcome(Path(), 0, "not started"))], console) == 130
    said = console.export_text()
    assert "failed: detached, seed 0: out of memory" in said
    assert "1 of 2 trainings failed; the same command tries them again" in said
    assert "Stopped; the same command continues." in said


def test_what_trainings_start_from_is_made_first(tmp_path: Path) -> None:
    """A command that makes a file is run once; one that makes none is an error."""
    plan = make_plan(NAME, MORE, scale=FAST, root=tmp_path)
    made = {"RUNS/pairs/manifest.json": "data make RUNS/pairs --clips 2 --frames 3"}
    console = Console(record=True, width=200)
    starting = type(plan)(**{**vars(plan), "study": type(plan.study)(**{**vars(plan.study), "first": made})})
    assert prepare(starting, console)
    assert (tmp_path / "pairs/manifest.json").is_file()
    assert not prepare(starting, console)
    assert console.export_text().count("first: reward-forcing data make") == 1
    wrong = {"RUNS/nothing": "study --list"}
    broken = type(plan)(**{**vars(plan), "study": type(plan.study)(**{**vars(plan.study), "first": wrong})})
    with pytest.raises(ValueError, match=r"study.first: `reward-forcing study --list` made no .*nothing"):
        prepare(broken, console)
