"""Faults that take whole processes, and seconds: `make faults` runs them, the usual tests do not."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import processes, small_runs
from tests.test_streaming import PROMPTS, notes, write_student

COMMAND = (sys.executable, "-c", "import sys; from reward_forcing.cli import main; sys.exit(main())")
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(processes.ROOT)}


def call(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], cwd=folder, env=QUIET, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train sink=emma", "Did you mean ema?"),
        ("train sink.decay=abc", "sink.decay is 'abc'"),
        ("train loss.beta=nan", "loss.beta is nan; it must be finite"),
        ("train trainer.max_steps=0", "trainer.max_steps is 0; it must be at least 1"),
        ("trian", "Did you mean 'train'?"),
    ],
)
def test_what_composing_can_see_is_told_within_three_seconds(command: str, words: str, tmp_path: Path) -> None:
    """Three seconds of a core: other work on the machine does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = call(*command.split(), folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a blank and letters of other alphabets, with exports in it."""
    folder = tmp_path_factory.mktemp("mit Leerzeichen") / "ünïcödé 日本"
    folder.mkdir()
    small_runs.write_exports(folder)
    write_student(folder / "student.safetensors", notes())
    return folder


def training(place: Path, name: str, *more: str) -> list[str]:
    return [
        "train",
        *small_runs.SMALL,
        *small_runs.sources(place),
        f"run_dir={place / name}",
        "trainer.max_steps=4",
        *more,
    ]


def test_training_streaming_and_judging_where_paths_have_blanks_and_other_alphabets(place: Path) -> None:
    done = call(*training(place, "über run"), folder=place)
    assert done.returncode == 0, done.stderr
    student, out = place / "über run" / "student.safetensors", place / "out put"
    for command in (
        ["generate", str(student), "--prompts", *PROMPTS, "--frames", "12", "--out", str(out), "--device", "cpu"],
        ["evaluate", str(out / "manifest.jsonl"), "--metrics", "palette_drift"],
        ["report", str(out)],
    ):
        done = call(*command, folder=place)
        assert done.returncode == 0, done.stderr
    assert (out / "report.html").is_file()


def test_a_log_folder_that_cannot_be_written_is_named_before_training(place: Path) -> None:
    run = place / "logs"
    run.mkdir()
    done = call(*training(place, "logs/run", "logger=tensorboard", "logger.tensorboard.save_dir=/proc"), folder=place)
    assert done.returncode == 2
    assert "/proc/tensorboard" in done.stderr
    assert "Traceback" not in done.stderr


def scores(folder: Path) -> list[dict[str, Any]]:
    content = json.loads((folder / "results.json").read_text())
    return [{key: video[key] for key in ("cell", "prompt", "seed", "scores")} for video in content["videos"]]


def test_an_evaluation_that_is_killed_goes_on_where_it_was(place: Path) -> None:
    videos = place / "videos"
    made = ["generate", str(place / "student.safetensors"), "--prompts", *PROMPTS, "--seeds", *map(str, range(8))]
    assert call(*made, "--frames", "60", "--out", str(videos), "--device", "cpu", folder=place).returncode == 0
    shutil.copytree(videos, place / "whole")
    chosen = ["--metrics", "palette_drift", "one_sprite", "net_displacement"]
    assert call("evaluate", str(place / "whole" / "manifest.jsonl"), *chosen, folder=place).returncode == 0
    judge = ["evaluate", str(videos / "manifest.jsonl"), *chosen]
    started = subprocess.Popen([*COMMAND, *judge], cwd=place, env=QUIET,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    store = videos / "scores.jsonl"
    while started.poll() is None and not (store.is_file() and store.stat().st_size):
        time.sleep(0.01)
    started.kill()
    started.wait()
    assert not (videos / "results.json").exists(), "it was killed before its end"
    before = store.read_bytes()
    assert call(*judge, folder=place).returncode == 0
    whole_lines = before[: before.rfind(b"\n") + 1]
    assert store.read_bytes().startswith(whole_lines), "what was scored is not scored again"
    assert scores(videos) == scores(place / "whole")


def test_when_one_rank_dies_the_others_stop_within_a_limit(place: Path) -> None:
    devices = ["trainer.devices=2", "data.batch_size=2", "trainer.max_steps=100000", "+trainer.strategy=ddp"]
    given = training(place, "two", *devices)[1:]
    started = processes.begin("-m", "reward_forcing.train", *given)
    checkpoints = place / "two" / "checkpoints"
    limit = time.monotonic() + 300
    while not list(checkpoints.glob("step=*.ckpt")) and started.poll() is None and time.monotonic() < limit:
        time.sleep(0.2)
    assert started.poll() is None, started.communicate()[1][-3000:]
    workers = [int(text) for text in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()]
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    died = time.monotonic()
    _, said = started.communicate(timeout=60)
    assert time.monotonic() - died < 60
    assert started.returncode == 1
    assert "Signal 9 (SIGKILL)" in said
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
