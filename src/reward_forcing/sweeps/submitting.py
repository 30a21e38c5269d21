"""Jobs handed to a queue by submitit: SLURM's, or processes of this machine that behave like one."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.launchers import Perform, threads
from reward_forcing.sweeps.processes import Process, Started, command, start
from reward_forcing.sweeps.watching import Watch

PAUSE: Final = 0.2
"""Seconds between two looks at the process."""


SLURM: Final = (
    *("partition", "account", "qos", "constraint", "exclude", "gres", "comment"),
    *("signal_delay_s", "additional_parameters", "setup"),
)
"""Fields that only SLURM knows."""


@dataclass
class Remote:
    """A job as a queue runs it: a process of its own, which is told when the queue wants the machine back.

    Args:
        words: the command.
        log: where it writes.
        variables: more of its environment.
    """

    words: list[str]
    log: Path
    variables: Mapping[str, str]
    process: Process | None = field(default=None, init=False, repr=False)

    def __call__(self) -> int:
        """Run it to its end; its exit status."""
        self.process = start(self.words, self.log, self.variables)
        signal.signal(signal.SIGTERM, self._stop)
        return self._ended(self.process)

    def checkpoint(self) -> Any:
        """What submitit calls before the job is taken off: let it save, and queue it again; it goes on from there."""
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            self.process.stop()
            self._ended(self.process)
        return DelayedSubmission(Remote(self.words, self.log, self.variables))

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signal module's names)
        if self.process is not None:
            self.process.stop()

    def _ended(self, process: Process) -> int:
        while (status := process.poll()) is None:
            time.sleep(PAUSE)
        return status


@dataclass(frozen=True)
class Submitted:
    """A job in a queue.

    Args:
        job: submitit's.
        is_local: whether the queue is this machine.
        log: where to write why the queue ended it.
    """

    job: Any
    is_local: bool
    log: Path

    def poll(self) -> int | None:
        """Its exit status; None: it is not done."""
        if not self.job.done():
            return None
        try:
            return int(self.job.result())
        except Exception as error:  # submitit's own kinds, and whatever the queue did
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}\n")
            return 1

    def stop(self) -> None:
        """Ask it to save what it has and end."""
        if self.is_local:
            os.kill(int(self.job.job_id), signal.SIGTERM)  # whose number is that of the process that looks after it
        else:
            self.job.cancel(check=False)

    def kill(self) -> None:
        """End it at once."""
        self.job.cancel(check=False)


@dataclass(frozen=True, kw_only=True)
class Submitit:
    """`hydra/launcher=submitit_slurm` and `submitit_local`, with the keys of Hydra's plugin of that name.

    Args:
        cluster: "slurm", or "local": this machine.
        submitit_folder: submitit's own files; null: `.submitit` in the sweep's folder.
        timeout_min: after so many minutes a job is asked to save, and queued again.
        array_parallelism: how many jobs at once.
        cpus_per_task: cores of a job; null: what the queue gives.
        gpus_per_node: GPUs of a job; null: as many as it has devices where it computes on GPUs, else none.
        mem_gb: memory of a job; null: what the queue gives.
        name: of the jobs.
        max_num_timeout: how often a job that has run out of time is queued again.
        partition: of the cluster; this and what follows is for SLURM, and null leaves it to the cluster.
        account: to charge.
        qos: quality of service.
        constraint: on nodes.
        exclude: nodes.
        gres: generic resources.
        comment: for whoever looks at the queue.
        signal_delay_s: seconds before the time is out, for the step in progress and its checkpoint.
        additional_parameters: anything else that sbatch knows.
        setup: shell commands to run first.

    Raises:
        ValueError: a number is not positive.
    """

    cluster: Literal["slurm", "local"]
    submitit_folder: str | None
    timeout_min: int
    array_parallelism: int
    cpus_per_task: int | None
    gpus_per_node: int | None
    mem_gb: float | None
    name: str
    max_num_timeout: int = 0
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None
    comment: str | None = None
    signal_delay_s: int | None = None
    additional_parameters: Mapping[str, Any] | None = None
    setup: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for key in ("timeout_min", "array_parallelism"):
            if getattr(self, key) < 1:
                raise ValueError(f"hydra.launcher.{key} is {getattr(self, key)}; it must be at least 1")

    def parameters(self, job: Job) -> dict[str, Any]:
        """What the queue is told about a job; what is null is left to it."""
        computes_on_gpus = str(job.config.trainer.accelerator) not in ("cpu", "auto")
        common = {
            "timeout_min": self.timeout_min,
            "cpus_per_task": self.cpus_per_task,
            "gpus_per_node": job.devices if self.gpus_per_node is None and computes_on_gpus else self.gpus_per_node,
            "mem_gb": self.mem_gb,
            "name": self.name,
            "nodes": 1,
            "tasks_per_node": 1,
        }
        special = {f"slurm_{key}": getattr(self, key) for key in SLURM} if self.cluster == "slurm" else {}
        return {key: value for key, value in {**common, **special}.items() if value is not None}

    def executor(self, job: Job) -> Any:
        """What hands a job to the queue.

        Raises:
            ValueError: submitit is not installed, there is no such queue here, or it knows no such parameter.
        """
        try:
            import submitit
        except ImportError as error:
            raise ValueError(
                "hydra/launcher=submitit_... needs submitit; install it: pip install 'reward-forcing[slurm]'"
            ) from error
        more = {"slurm_max_num_timeout": self.max_num_timeout} if self.cluster == "slurm" else {}
        folder = self.submitit_folder or str((job.sweep or job.folder.parent) / ".submitit" / "%j")
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster, **more)
            executor.update_parameters(**self.parameters(job))
        except (RuntimeError, NameError, TypeError) as error:
            raise ValueError(f"hydra.launcher: {error}") from error
        return executor

    def launch(self, jobs: Sequence[Job], perform: Perform, after: str) -> list[Outcome]:  # noqa: ARG002 (not here)
        """Queue them, and wait until all have ended."""
        variables = threads(self.cpus_per_task) if self.cpus_per_task else {}

        def begin(job: Job, place: int) -> Started:  # noqa: ARG001 (queues have no places)
            folder = RunFolder(job.folder)
            folder.path.mkdir(parents=True, exist_ok=True)
            remote = Remote(command(job, after), folder.log.absolute(), variables)
            return Submitted(self.executor(job).submit(remote), self.cluster == "local", folder.log)

        return Watch(jobs, begin, self.array_parallelism).run()
