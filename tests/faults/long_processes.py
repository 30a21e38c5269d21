"""Faults that take whole processes, and seconds: `make faults` runs them, the usual tests do not."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests import processes, small_runs
from tests.test_streaming import PROMPTS, notes, write_student

HEARS = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""What a terminal's commands do by themselves; those of a script that runs in the background ignore Ctrl-C."""

COMMAND = (sys.executable, "-c", f"{HEARS}; from reward_forcing.cli import main; sys.exit(main())")
PATHS = os.pathsep.join([str(processes.ROOT), str(processes.ROOT / "src")])
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": PATHS}


def call(*arguments: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**QUIET, **variables}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def begin(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a command as a terminal does: first of a group of its own, which Ctrl-C reaches as a whole."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=QUIET, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def group(number: int) -> list[int]:
    """The processes of a session that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            if int(path.read_text().rpartition(")")[2].split()[3]) == number:
                found.append(int(path.parent.name))
    return found


def wait_for(there: Callable[[], object], started: "subprocess.Popen[str]", seconds: float = 300) -> None:
    """Wait until something is there, made by a process that goes on."""
    limit = time.monotonic() + seconds
    while not there() and started.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    assert started.poll() is None, started.communicate()[1][-3000:]
    assert there()


def wait_for_end(number: int, seconds: float = 15) -> None:
    """Wait until no process of a session is left."""
    limit = time.monotonic() + seconds
    while group(number) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not group(number)


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
    started, store = begin(*judge, folder=place), videos / "scores.jsonl"
    wait_for(lambda: store.is_file() and store.stat().st_size, started)
    started.kill()
    started.communicate()
    assert not (videos / "results.json").exists(), "it was killed before its end"
    before = store.read_bytes()
    assert call(*judge, folder=place).returncode == 0
    whole_lines = before[: before.rfind(b"\n") + 1]
    assert store.read_bytes().startswith(whole_lines), "what was scored is not scored again"
    assert scores(videos) == scores(place / "whole")


def test_when_one_rank_dies_the_others_stop_within_a_limit(place: Path) -> None:
    devices = ["trainer=ddp", "trainer.devices=2", "trainer.max_steps=100000"]
    given = training(place, "two", *devices)[1:]
    started = processes.begin("-m", "reward_forcing.train", *given)
    wait_for(lambda: list((place / "two" / "checkpoints").glob("step=*.ckpt")), started)
    workers = [int(text) for text in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()]
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    died = time.monotonic()
    _, said = started.communicate(timeout=60)
    assert time.monotonic() - died < 60
    assert started.returncode == 1
    assert "Signal 9 (SIGKILL)" in said
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def same_weights(one: Path, other: Path) -> bool:
    held, expected = load_file(one / "student.safetensors"), load_file(other / "student.safetensors")
    return held.keys() == expected.keys() and all(held[name].equal(value) for name, value in expected.items())


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The folder of a run that nothing happened to."""
    assert call(*training(place, "whole run", "data.workers=2"), folder=place).returncode == 0
    return place / "whole run"


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_no_process_and_the_run_goes_on(times: int, place: Path, whole: Path) -> None:
    """Once: the step in progress is saved, exit status 130. Twice: the step is cut, exit status 1, unless it was over.

    The loader processes get the signals, too.
    """
    run = place / f"interrupted {times}"
    started = begin(*training(place, run.name, "data.workers=2", "trainer.max_steps=100000"), folder=place)
    wait_for(lambda: list((run / "checkpoints").glob("step=*.ckpt")), started)
    for _ in range(times):
        os.killpg(started.pid, signal.SIGINT)
        time.sleep(0.02)  # signals that wait together are one
    said, errors = started.communicate(timeout=60)
    assert started.returncode in ({130} if times == 1 else {1, 130}), errors[-3000:]
    assert "Stopped after step" in said or times == 2
    assert "Traceback" not in errors
    wait_for_end(started.pid)
    assert not (run / ".lock").exists()
    steps = int((run / "checkpoints/last.ckpt").resolve().stem.partition("=")[2]) + 2
    for folder in (run, whole):
        longer = ["data.workers=2", "resume=auto", f"trainer.max_steps={steps}"]
        assert call(*training(place, folder.name, *longer), folder=place).returncode == 0
    assert same_weights(run, whole)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "videos").glob("[!.]*") if path.suffix != ".json"}


def test_ctrl_c_while_videos_are_made_keeps_whole_ones(place: Path) -> None:
    made = ["generate", str(place / "student.safetensors"), "--prompts", *PROMPTS, "--frames", "200", "--batch", "1"]
    made += ["--device", "cpu", "--seeds", *map(str, range(6)), "--out"]
    assert call(*made, str(place / "all"), folder=place).returncode == 0
    started = begin(*made, str(place / "some"), folder=place)
    wait_for((place / "some/manifest.jsonl").is_file, started)
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Stopped." in errors
    assert "Traceback" not in errors
    wait_for_end(started.pid)
    some, every = files(place / "some"), files(place / "all")
    assert 0 < len(some) < len(every)
    assert some == {name: every[name] for name in some}
    assert call(*made, str(place / "some"), folder=place).returncode == 0
    assert files(place / "some") == every


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
static long calls;
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += (++calls % 2 ? 1 : -1) * 3600 * calls;
    return status;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
"""
"""A time of day that jumps hours forward and back each time it is asked for."""


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process whose clock jumps."""
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler to make a clock that jumps")
    source = tmp_path_factory.mktemp("clock") / "clock.c"
    library = source.with_suffix(".so")
    source.write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    variables = {"LD_PRELOAD": str(library)}
    asked = "import time; print(time.time() - time.time())"
    told = subprocess.run([sys.executable, "-c", asked], env={**QUIET, **variables}, capture_output=True, check=True)
    assert abs(float(told.stdout)) > 3600
    return variables


def test_a_clock_that_jumps_changes_nothing(place: Path, whole: Path, jumping: dict[str, str]) -> None:
    steps = json.loads((whole / "summary.json").read_text())["steps"]
    given = training(place, "jumping", "data.workers=2", f"trainer.max_steps={steps}")
    done = call(*given, folder=place, **jumping)
    assert done.returncode == 0, done.stderr
    assert same_weights(place / "jumping", whole)
    assert 0 < json.loads((place / "jumping/summary.json").read_text())["seconds"] < 600
