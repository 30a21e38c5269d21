import os
import signal
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from reward_forcing.composition.configuration import ConfigurationError, compose
from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.launchers import OneByOne, SideBySide, cores, here, launcher_of, share, threads, visible_gpus
from reward_forcing.sweeps.submitting import Submitit


def jobs(folder: Path, count: int = 3) -> list[Job]:
    configs = [OmegaConf.create({"run_dir": str(folder / str(index)), "trainer": {}}) for index in range(count)]
    return [Job(config, (), f"job={index}") for index, config in enumerate(configs)]


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        ([], OneByOne),
        (["hydra/launcher=basic"], OneByOne),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], SideBySide),
        (["hydra/launcher=submitit_slurm", "hydra.launcher.partition=long"], Submitit),
        (["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"], Submitit),
    ],
)
def test_launchers_have_the_names_and_keys_of_hydra(overrides: list[str], kind: type) -> None:
    assert isinstance(launcher_of(compose(overrides)), kind)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"hydra\.launcher\.n_jobs is 0"):
        launcher_of(compose(["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"]))
    with pytest.raises(ConfigurationError, match=r"n_jbs"):
        compose(["hydra/launcher=joblib", "hydra.launcher.n_jbs=2"])


def test_as_many_jobs_as_asked_for_or_one_a_core() -> None:
    assert SideBySide(n_jobs=3).places == 3
    assert SideBySide().places == cores()
    assert SideBySide(n_jobs=-2).places == max(1, cores() - 1)


def test_one_by_one_goes_on_after_a_failure_and_writes_it_down(tmp_path: Path) -> None:
    def perform(job: Job) -> Outcome:
        if job.label == "job=1":
            raise RuntimeError("no memory\nand more")
        return Outcome(job.folder, 4, "finished")

    outcomes = OneByOne().launch(jobs(tmp_path), perform, "")
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    assert outcomes[1].note == f"RuntimeError: no memory (log: {tmp_path}/1/log.txt)"
    assert "Traceback" in (tmp_path / "1/log.txt").read_text()


def test_one_by_one_ends_when_a_job_was_stopped(tmp_path: Path) -> None:
    def perform(job: Job) -> Outcome:
        return Outcome(job.folder, 2, "stopped" if job.label == "job=1" else "finished")

    outcomes = OneByOne().launch(jobs(tmp_path), perform, "")
    assert [outcome.state for outcome in outcomes] == ["finished", "stopped", "not started"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_of_training_stops_the_job(number: int, tmp_path: Path) -> None:
    def perform(job: Job) -> Outcome:  # noqa: ARG001
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was lost")

    before = signal.getsignal(signal.SIGTERM)
    assert here(jobs(tmp_path)[0], perform).state == "stopped"
    assert signal.getsignal(signal.SIGTERM) is before


def test_cores_are_divided_unless_somebody_has_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads(4)["OMP_NUM_THREADS"] == "4"
    assert threads(0)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads(4)["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("gpus", "place", "devices", "given"),
    [
        ([], 0, 1, None),
        (["0"], 1, 1, None),
        (["0", "1"], 1, 1, "1"),
        (["4", "5", "6", "7"], 1, 2, "6,7"),
        (["0", "1"], 2, 1, "0"),
    ],
)
def test_gpus_are_divided(gpus: list[str], place: int, devices: int, given: Any) -> None:
    assert share(gpus, place, devices).get("CUDA_VISIBLE_DEVICES") == given


def test_gpus_are_those_that_this_process_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert visible_gpus() == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
