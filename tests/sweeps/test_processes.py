"""Real processes, of a line of Python each."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job
from reward_forcing.sweeps.processes import QUIET, STOPPED, Process, command, finished, outcome, start, why

STARTS = "import time; print('up', flush=True); "


def job(folder: Path, devices: int = 1) -> Job:
    config = OmegaConf.create({"run_dir": str(folder), "resume": "auto", "trainer": {"devices": devices}})
    given = ("sink=ema", "run_dir=old", "resume=never", "hydra.mode=MULTIRUN")
    return Job(config, given, "sink=ema", sweep=folder.parent)


def wait(process: Process, limit: float = 30) -> int:
    until = time.monotonic() + limit
    while (status := process.poll()) is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    return status


def await_text(log: Path, text: str = "up", limit: float = 30) -> None:
    until = time.monotonic() + limit
    while not log.is_file() or text not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_job_is_done_by_the_command_a_person_would_give() -> None:
    words = command(job(Path("runs/s/a")), "m:f")
    assert words[:4] == [sys.executable, "-m", "reward_forcing.train", "--after=m:f"]
    assert words[4:] == ["sink=ema", "run_dir=runs/s/a", "resume=auto", "hydra.mode=RUN", *QUIET]


def test_a_job_of_several_devices_is_done_under_its_own_torchrun() -> None:
    words = command(job(Path("x"), devices=4))
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=4", "-m", "reward_forcing.train"]
    assert words[1:7] == ["-m", *launcher]


def test_a_process_writes_to_its_log_and_has_its_variables(tmp_path: Path) -> None:
    log = tmp_path / "run/log.txt"
    for value in ("1", "2"):
        assert (
            wait(start([sys.executable, "-c", "import os; print(os.environ['NUMBER'])"], log, {"NUMBER": value})) == 0
        )
    assert log.read_text().split() == ["1", "2"]


def test_a_process_can_be_asked_to_stop_and_be_killed(tmp_path: Path) -> None:
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); " + STARTS + "time.sleep(60)"
    polite, stubborn = (start([sys.executable, "-c", code], tmp_path / name, {}) for name in "ab")
    for name in "ab":
        await_text(tmp_path / name)
    assert polite.poll() is None
    polite.stop()
    stubborn.kill()
    assert (wait(polite), wait(stubborn)) == (STOPPED, -9)
    stubborn.kill()


def test_a_job_stops_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    """Even when that one was killed without a chance to say so."""
    child = (
        "import signal, sys, time; from pathlib import Path\n"
        "from reward_forcing.sweeps.processes import end_with_parent\n"
        f"def end(*_): Path({str(tmp_path / 'saved')!r}).touch(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, end); end_with_parent(); print('up', flush=True); time.sleep(60)"
    )
    parent = (
        "import sys, time; from pathlib import Path; from reward_forcing.sweeps.processes import start\n"
        f"started = start([sys.executable, '-c', {child!r}], Path({str(tmp_path / 'log')!r}), {{}}); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    await_text(tmp_path / "log")
    process.kill()
    process.wait()
    until = time.monotonic() + 30
    while not (tmp_path / "saved").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_outcomes_are_read_from_what_was_left(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.progress.write_text(json.dumps({"step": 3, "seconds": 1.5}))
    folder.log.write_text("reward-forcing train: sink.decay is 2\n(HYDRA_FULL_ERROR=1 shows ...)\n")
    stopped, killed, failed = (
        outcome(job(tmp_path), STOPPED),
        outcome(job(tmp_path), -15, asked=True),
        outcome(job(tmp_path), 2),
    )
    assert [one.state for one in (stopped, killed, failed)] == ["stopped", "stopped", "failed"]
    assert (stopped.steps, stopped.seconds) == (3, 1.5)
    assert failed.note == f"reward-forcing train: sink.decay is 2 (log: {folder.log})"
    folder.summary.write_text(json.dumps({"steps": 4, "seconds": 2.0, "scalars": {"a": 1.0}}))
    assert outcome(job(tmp_path), 0) == finished(folder)
    assert finished(folder).scalars == {"a": 1.0}


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("Traceback ...\nValueError: no\nmore\n", 1, "ValueError: no"),
        ("a.b.OutOfMemoryError: much\ntorch.distributed.ChildFailedError: x\n", 1, "a.b.OutOfMemoryError: much"),
        ("something\n\n", 1, "something"),
        ("", 3, "exit status 3"),
        ("ValueError: no\n", -9, "ended by signal SIGKILL"),
    ],
)
def test_why_a_job_failed(said: str, status: int, reason: str, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(said)
    assert why(tmp_path / "log.txt", status) == reason
