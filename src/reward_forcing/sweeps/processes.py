"""A job in processes of its own: how it is started, asked to stop, and what became of it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job, Outcome

STOPPED: Final = 130
"""Exit status of a run that ended because it was asked to."""

PARENT: Final = "REWARD_FORCING_PARENT"
"""Environment variable that tells a run to stop when its standard input ends: when whoever started it is gone."""

QUIET: Final = ("++callbacks.progress=null", "++trainer.enable_progress_bar=false")
"""Overrides without which a log would be full of bars; whoever started the job reads its notes."""

ERROR: Final = re.compile(r"^(?:[\w.]+(?:Error|Exception|Interrupt|Exit)\b.*|reward-forcing train: .*)$", re.MULTILINE)
HINT: Final = "(HYDRA_FULL_ERROR"


@runtime_checkable
class Started(Protocol):
    """A job that is under way."""

    def poll(self) -> int | None:
        """Its exit status; None: it is not done."""

    def stop(self) -> None:
        """Ask it to save what it has and end."""

    def kill(self) -> None:
        """End it at once."""


def command(job: Job, after: str = "") -> list[str]:
    """What does a job in processes of its own: one, or under torchrun one a device."""
    given = [one for one in job.overrides if one.split("=")[0] not in ("run_dir", "resume", "hydra.mode")]
    own = [f"run_dir={job.folder}", f"resume={job.config.resume}", "hydra.mode=RUN", *QUIET]
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={job.devices}", "-m"]
    start = [*launcher, "reward_forcing.train"] if job.devices > 1 else ["reward_forcing.train"]
    return [sys.executable, "-m", *start, *([f"--after={after}"] if after else []), *given, *own]


@dataclass(frozen=True)
class Process:
    """A job on this machine.

    Args:
        process: it, or torchrun, first of a group of its own: Ctrl-C reaches it only through whoever started it.
    """

    process: "subprocess.Popen[bytes]"

    def poll(self) -> int | None:
        """Its exit status; None: it is not done."""
        status = self.process.poll()
        if status is not None and self.process.stdin:
            self.process.stdin.close()
        return status

    def stop(self) -> None:
        """Ask it to save what it has and end."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all it has started at once."""
        if self.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def end_with_parent() -> None:
    """Stop this process gracefully when whoever started it is gone, if it was started by `start`."""
    if os.environ.get(PARENT) == "stdin":
        threading.Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock a dying interpreter wants
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def start(words: list[str], log: Path, variables: Mapping[str, str]) -> Process:
    """Start a command that writes to a log and ends when this process does.

    Args:
        words: the command.
        log: where it writes, after what is there.
        variables: more of its environment.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **variables, PARENT: "stdin", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as file:
        return Process(
            subprocess.Popen(  # noqa: S603 (our own command)
                words,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        )


def outcome(job: Job, status: int, *, asked: bool = False) -> Outcome:
    """What became of a job, from its exit status and what it left in its folder.

    Args:
        job: it.
        status: of its process; negative: the signal that ended it.
        asked: whether it had been asked to stop.
    """
    folder = RunFolder(job.folder)
    if status == 0:
        return finished(folder)
    noted = folder.noted(folder.progress)
    steps, seconds = int(noted.get("step", 0)), float(noted.get("seconds", 0.0))
    if status == STOPPED or asked:
        return Outcome(folder.path, steps, "stopped", seconds)
    return Outcome(folder.path, steps, "failed", seconds, note=f"{why(folder.log, status)} (log: {folder.log})")


def finished(folder: RunFolder) -> Outcome:
    """The outcome of a run that is finished."""
    summary = folder.noted(folder.summary)
    return Outcome(folder.path, summary["steps"], "finished", summary["seconds"], summary["scalars"])


def why(log: Path, status: int) -> str:
    """The line of a log that tells why a job failed."""
    said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if status < 0:
        return f"ended by signal {signal.Signals(-status).name}"
    errors = [line for line in ERROR.findall(said) if "ChildFailedError" not in line]
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(HINT)]
    return (errors or lines or [f"exit status {status}"])[-1].strip()
