"""Real processes of a line of Python each, watched side by side."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reward_forcing.sweeps.jobs import Job
from reward_forcing.sweeps.processes import Process, start
from reward_forcing.sweeps.watching import Watch

GOOD = (
    "import json; from pathlib import Path; "
    "Path('{0}/summary.json').write_text(json.dumps(dict(steps=1, seconds=0.1, scalars={{}})))"
)
BAD = "raise ValueError('no such thing')"
WAIT = "print('up', flush=True); time.sleep(60)"
PATIENT = f"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); {WAIT}"
STUBBORN = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"


def jobs(folder: Path, *codes: str) -> list[Job]:
    made = []
    for index, code in enumerate(codes):
        config = OmegaConf.create({"run_dir": str(folder / str(index)), "trainer": {}, "code": code})
        made.append(Job(config, (), f"job={index}"))
    return made


def begin(job: Job, place: int) -> Process:
    code = str(job.config.code).format(job.folder)
    return start([sys.executable, "-c", code], job.folder / "log.txt", {"PLACE": str(place)})


def ask_when_up(folder: Path, *names: str, times: int = 1) -> threading.Thread:
    """Send this process SIGTERM when some jobs are up, so often."""

    def ask() -> None:
        while not all(
            (folder / name / "log.txt").exists() and (folder / name / "log.txt").read_text() for name in names
        ):
            time.sleep(0.05)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_one_failure_does_not_lose_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Watch(jobs(tmp_path, GOOD, BAD, GOOD), begin, 2).run()
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    assert outcomes[1].note == f"ValueError: no such thing (log: {tmp_path}/1/log.txt)"
    said = capsys.readouterr().out.splitlines()
    assert said.index("started: job=2") > min(said.index("finished: job=0"), said.index("failed: job=1"))


def test_places_are_taken_by_one_job_at_a_time(tmp_path: Path) -> None:
    taken: list[int] = []

    def noting(job: Job, place: int) -> Process:
        taken.append(place)
        return begin(job, place)

    Watch(jobs(tmp_path, *[GOOD] * 4), noting, 2).run()
    assert taken[:2] == [0, 1]
    assert set(taken) == {0, 1}


def test_a_signal_stops_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    asking = ask_when_up(tmp_path, "0", "1")
    outcomes = Watch(jobs(tmp_path, PATIENT, PATIENT, GOOD), begin, 2).run()
    asking.join()
    assert [outcome.state for outcome in outcomes] == ["stopped", "stopped", "not started"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    asking = ask_when_up(tmp_path, "0", times=2)
    (outcome,) = Watch(jobs(tmp_path, STUBBORN), begin, 2).run()
    asking.join()
    assert outcome.state == "stopped"
