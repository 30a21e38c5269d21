"""A sweep side by side that is stopped, then killed, ends as if nothing had happened: bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from reward_forcing import train
from tests import small_runs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]
PATIENCE, STEPS = 900, 400


def command(folder: Path, *axes: str) -> list[str]:
    side_by_side = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    steps = [f"trainer.max_steps={STEPS}", "callbacks.checkpoints.every=20"]
    given = [*small_runs.distillation(folder), *steps, *axes]
    return [sys.executable, "-m", "reward_forcing.train", "-m", *given, *side_by_side]


def begin(words: list[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def until(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.1)


def step(folder: Path) -> int:
    notes = folder / "progress.json"
    return int(json.loads(notes.read_text())["step"]) if notes.exists() else 0


def test_a_stopped_and_a_killed_sweep_go_on(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells = [sweep / f"loss={loss}" for loss in ("dmd", "re_dmd")]
    stopped = begin(command(sweep, "loss=dmd,re_dmd"))
    until(lambda: all(step(cell) >= 3 for cell in cells))
    stopped.send_signal(signal.SIGTERM)
    said, _ = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 130, said
    assert "To continue: reward-forcing train -m" in said
    reached = [step(cell) for cell in cells]
    assert all(0 < one < STEPS for one in reached)
    assert [(cell / "checkpoints/last.ckpt").resolve().stem for cell in cells] == [f"step={one}" for one in reached]

    killed = begin(command(sweep, "loss=re_dmd,dmd"))
    until(lambda: all(step(cell) > one for cell, one in zip(cells, reached, strict=True)))
    killed.kill()
    killed.communicate()
    time.sleep(5)  # the jobs see that nobody waits for them any more, save and end

    whole = begin(command(sweep, "loss=re_dmd,dmd", "sink.decay=0.97"))
    said, _ = whole.communicate(timeout=PATIENCE)
    assert whole.returncode == 0, said
    assert "finished: loss=dmd" in said
    summary = json.loads((cells[0] / "summary.json").read_text())
    assert (summary["steps"], summary["threads"]) == (STEPS, 1)

    (job,) = train.plan([*command(tmp_path / "whole", "loss=dmd")[4:-2]])
    alone = train.run(job.config)
    one, other = (load_file(folder / "student.safetensors") for folder in (alone.folder, cells[0]))
    assert all((value == other[name]).all() for name, value in one.items())
