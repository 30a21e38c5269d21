"""submitit's own local queue runs for real; of SLURM, what would be handed to it is read."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from submitit.slurm.slurm import _make_sbatch_string

from reward_forcing.composition.configuration import build, compose
from reward_forcing.sweeps.jobs import Job
from reward_forcing.sweeps.processes import STOPPED
from reward_forcing.sweeps.submitting import Remote, Submitit, Submitted

UP = "print('up', flush=True); time.sleep(60)"
PATIENT = f"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({STOPPED})); {UP}"


def job(folder: Path, **trainer: Any) -> Job:
    config = OmegaConf.create({"run_dir": str(folder / "run"), "trainer": {"accelerator": "cpu", **trainer}})
    return Job(config, (), "sink=ema", sweep=folder)


def launcher(kind: str, *more: str) -> Submitit:
    config = compose([f"hydra/launcher=submitit_{kind}", *(f"hydra.launcher.{one}" for one in more)])
    made = build(config.hydra, "launcher")
    assert isinstance(made, Submitit)
    return made


def submit(folder: Path, code: str) -> Submitted:
    remote = Remote([sys.executable, "-c", code], folder / "log.txt", {})
    return Submitted(launcher("local").executor(job(folder)).submit(remote), is_local=True, log=folder / "log.txt")


def ended(submitted: Submitted, limit: float = 60) -> int:
    until = time.monotonic() + limit
    while (status := submitted.poll()) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return status


def await_up(folder: Path, limit: float = 60) -> None:
    until = time.monotonic() + limit
    while not (folder / "log.txt").exists() or "up" not in (folder / "log.txt").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_queued_job_has_the_exit_status_of_its_command_and_its_files_in_the_sweep(tmp_path: Path) -> None:
    assert ended(submit(tmp_path, "print('hello'); raise SystemExit(3)")) == 3
    assert (tmp_path / "log.txt").read_text() == "hello\n"
    assert [*(tmp_path / ".submitit").rglob("*_result.pkl")]


def test_a_queued_job_can_be_asked_to_stop(tmp_path: Path) -> None:
    submitted = submit(tmp_path, PATIENT)
    await_up(tmp_path)
    assert submitted.poll() is None
    submitted.stop()
    assert ended(submitted) == STOPPED


def test_a_job_that_the_queue_ended_says_so(tmp_path: Path) -> None:
    submitted = submit(tmp_path, PATIENT)
    await_up(tmp_path)
    submitted.kill()
    assert ended(submitted) == 1
    assert "Error" in (tmp_path / "log.txt").read_text()


def test_before_it_is_queued_again_a_job_is_let_save(tmp_path: Path) -> None:
    remote = Remote([sys.executable, "-c", PATIENT], tmp_path / "log.txt", {})
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGALRM, lambda *_: again.append(remote.checkpoint()))
    again: list[Any] = []
    try:
        signal.setitimer(signal.ITIMER_REAL, 2)
        assert remote() == STOPPED
    finally:
        signal.signal(signal.SIGTERM, before)
    (delayed,) = again
    assert delayed.function.words == remote.words
    assert delayed.function.process is None


def test_slurm_is_told_what_was_asked_for(tmp_path: Path) -> None:
    made = launcher("slurm", "partition=long", "qos=high", "cpus_per_task=4", "mem_gb=16", "timeout_min=90")
    told = made.parameters(job(tmp_path, accelerator="gpu", devices=2))
    assert told == {
        "timeout_min": 90,
        "cpus_per_task": 4,
        "gpus_per_node": 2,
        "mem_gb": 16,
        "name": "distillation",
        "nodes": 1,
        "tasks_per_node": 1,
        "slurm_partition": "long",
        "slurm_qos": "high",
        "slurm_signal_delay_s": 120,
    }
    special = {key.removeprefix("slurm_"): value for key, value in told.items() if key.startswith("slurm_")}
    script = _make_sbatch_string("true", tmp_path, gpus_per_node=told["gpus_per_node"], time=90, **special)
    for line in ("--partition=long", "--qos=high", "--gpus-per-node=2", "--time=90", "--signal=USR2@120"):
        assert f"#SBATCH {line}" in script


def test_what_is_not_said_is_left_to_the_queue(tmp_path: Path) -> None:
    assert {*launcher("local").parameters(job(tmp_path))} == {"timeout_min", "name", "nodes", "tasks_per_node"}
    assert launcher("local", "gpus_per_node=1").parameters(job(tmp_path))["gpus_per_node"] == 1


def test_without_slurm_its_launcher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"hydra\.launcher: .*srun"):
        launcher("slurm").executor(job(tmp_path))


def test_without_submitit_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"needs submitit; install it: pip install 'reward-forcing\[slurm\]'"):
        launcher("local").executor(job(tmp_path))


def test_numbers_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"hydra\.launcher\.timeout_min is 0; it must be at least 1"):
        launcher("local", "timeout_min=0")
