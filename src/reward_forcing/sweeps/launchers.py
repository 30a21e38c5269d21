"""How the jobs of a sweep are run, by the names that Hydra's users know: `hydra/launcher=...`."""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from omegaconf import DictConfig

from reward_forcing.composition.configuration import build
from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.processes import Started, command, start
from reward_forcing.sweeps.watching import Watch

Perform: TypeAlias = Callable[[Job], Outcome]
"""Does a job in this process."""


@runtime_checkable
class Launcher(Protocol):
    """Runs jobs."""

    def launch(self, jobs: Sequence[Job], perform: Perform, after: str) -> list[Outcome]:
        """Run all of them, whatever becomes of one, until a stop is asked for.

        Args:
            jobs: what to do.
            perform: does one in this process, what comes after it included.
            after: `module:function` to call in a job's process when it is finished; empty: none.
        """


@dataclass(frozen=True)
class OneByOne:
    """`hydra/launcher=basic`: one after the other, in this process; under torchrun where one has several devices."""

    def launch(self, jobs: Sequence[Job], perform: Perform, after: str) -> list[Outcome]:
        """Run them in order."""
        outcomes: list[Outcome] = []
        for job in jobs:
            if any(outcome.state == "stopped" for outcome in outcomes):
                outcomes.append(Outcome(job.folder, 0, "not started"))
            elif job.devices > 1:
                outcomes += SideBySide(n_jobs=1).launch([job], perform, after)
            else:
                outcomes.append(here(job, perform))
        return outcomes


def launcher_of(config: DictConfig) -> Launcher:
    """The launcher that a config chooses; Hydra's own basic one stands for ours.

    Raises:
        ConfigurationError: a value of it is out of range.
    """
    if str(config.hydra.launcher._target_).endswith(".BasicLauncher"):
        return OneByOne()
    launcher: Launcher = build(config.hydra, "launcher")
    return launcher


@dataclass(frozen=True)
class SideBySide:
    """`hydra/launcher=joblib`: several at once, each in a process of its own with its share of the cores.

    Args:
        n_jobs: at once; -1: as many as there are cores, -2: one less, ...

    Raises:
        ValueError: `n_jobs` is 0.
    """

    n_jobs: int = -1

    def __post_init__(self) -> None:
        if self.n_jobs == 0:
            raise ValueError("hydra.launcher.n_jobs is 0; it must be positive, or negative: -1 is one a core")

    @property
    def places(self) -> int:
        """How many run at once."""
        return self.n_jobs if self.n_jobs > 0 else max(1, cores() + 1 + self.n_jobs)

    def launch(self, jobs: Sequence[Job], perform: Perform, after: str) -> list[Outcome]:  # noqa: ARG002 (not here)
        """Run them as places get free."""
        gpus = visible_gpus()

        def begin(job: Job, place: int) -> Started:
            variables = {**threads(cores() // self.places), **share(gpus, place, job.devices)}
            return start(command(job, after), RunFolder(job.folder).log, variables)

        return Watch(jobs, begin, self.places).run()


def here(job: Job, perform: Perform) -> Outcome:
    """Do a job in this process; an error is its outcome, and its traceback is in its log."""
    before = signal.getsignal(signal.SIGTERM)
    folder = RunFolder(job.folder)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return perform(job)
    except KeyboardInterrupt:
        return Outcome(folder.path, int(folder.noted(folder.progress).get("step", 0)), "stopped")
    except Exception as error:  # whatever it is, the other jobs are not to suffer from it
        folder.path.mkdir(parents=True, exist_ok=True)
        with folder.log.open("a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        said = str(error).strip().splitlines() or [""]
        note = f"{type(error).__name__}: {said[0]} (log: {folder.log})"
        return Outcome(folder.path, int(folder.noted(folder.progress).get("step", 0)), "failed", note=note)
    finally:
        signal.signal(signal.SIGTERM, before)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(count: int) -> dict[str, str]:
    """Environment variables for so many threads; what is set already stays."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: os.environ.get(name, str(max(1, count))) for name in names}


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name for name in told.split(",") if name]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def share(gpus: Sequence[str], place: int, devices: int) -> dict[str, str]:
    """The environment variable that gives a job its GPUs; jobs share them where there are too few."""
    if len(gpus) <= devices:
        return {}
    first = place * devices
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus[(first + index) % len(gpus)] for index in range(devices))}
