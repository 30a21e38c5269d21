"""What every run is told about itself, and where it may write."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any, Final

from filelock import FileLock, Timeout

from reward_forcing.safekeeping import damage, write_text

LOCK: Final = ".lock"
HOLDER: Final = ".lock.json"
"""Which process holds the lock, for others to tell."""

ORPHANS: Final = 15.0
"""Seconds that the loader processes of a run that was killed may take to notice."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What every run is told about itself.

    Args:
        name: what the run is called.
        seed: of all randomness.
        max_steps: optimiser steps to do, earlier ones of a continued run included.
        run_dir: folder of everything the run writes.
        resume: "never", "auto" (continue what `run_dir` holds, if anything) or the path of a checkpoint.

    Raises:
        ValueError: a number is negative or a text empty.
    """

    name: str
    seed: int
    max_steps: int
    run_dir: str
    resume: str

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must be at least 0")
        if self.max_steps < 1:
            raise ValueError(f"trainer.max_steps is {self.max_steps}; it must be at least 1")
        for key in ("name", "run_dir", "resume"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key} is empty; it must be a text ({key}=...)")


@dataclass(frozen=True)
class RunFolder:
    """A run's folder: its config, checkpoints, exports and summary.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The config the run was started with, every value resolved."""
        return self.path / "config.yaml"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def summary(self) -> Path:
        """What came out; written when a run ends by itself."""
        return self.path / "summary.json"

    @property
    def progress(self) -> Path:
        """How far the run is, written by itself about once a second."""
        return self.path / "progress.json"

    @property
    def log(self) -> Path:
        """What the run said, where it had a process of its own; why it failed."""
        return self.path / "log.txt"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder. What a run that died leaves behind keeps nobody out.

        Raises:
            ValueError: another run is in the folder, or nothing can be written there.
        """
        holder, lock = self.path / HOLDER, FileLock(self.path / LOCK)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=ORPHANS if _is_gone(self.noted(holder)) else 0)
            write_text(holder, json.dumps({"pid": os.getpid(), "host": gethostname()}))
        except Timeout as error:
            other = self.noted(holder)
            raise ValueError(
                f"run_dir is {self.path}, in which another run is writing (process {other.get('pid', 'unknown')} on "
                f"{other.get('host', 'an unknown machine')}); allowed: another run_dir=..., or waiting for its end"
            ) from error
        except OSError as error:
            raise ValueError(f"run_dir is {self.path}, where nothing can be written: {error}") from error
        try:
            yield
        finally:
            for file in (holder, self.path / LOCK):
                file.unlink(missing_ok=True)
            lock.release()
            with suppress(OSError):  # nothing came of it
                self.path.rmdir()

    def noted(self, file: Path) -> dict[str, Any]:
        """What one of the folder's JSON files says; nothing where it is not there."""
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return found

    @property
    def finished_steps(self) -> int:
        """How far the run had been asked to go when it ended by itself; 0 if it never did."""
        return int(self.noted(self.summary).get("steps", 0))

    def checkpoint(self, resume: str) -> Path | None:
        """Where to continue from; None: start afresh.

        Raises:
            ValueError: the folder is in use and `resume` is "never", or there is no such checkpoint, or none is whole.
        """
        if resume == "auto":
            return newest_whole(self.last)
        if self.path.is_dir() and {path.name for path in self.path.iterdir()} - {LOCK, HOLDER, self.log.name}:
            if resume == "never":
                raise ValueError(
                    f"run_dir is {self.path}, which is not empty; allowed: resume=auto to continue it, "
                    "another run_dir=..., or removing it"
                )
            if Path(resume).resolve() != self.last.resolve():
                raise ValueError(
                    f"run_dir is {self.path}, which is not empty; resume={resume} needs another run_dir=..."
                )
        return None if resume == "never" else checkpoint_at(Path(resume))


def checkpoint_at(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest of a run's folder.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    file = RunFolder(path).last if path.is_dir() and not (path / ".metadata").exists() else path
    if not file.exists():
        raise ValueError(f"resume is {path}; allowed: never, auto, or the path of a checkpoint or of a run's folder")
    if problem := damage(file):
        raise ValueError(f"resume is {path}; {problem}; allowed: an older checkpoint of {file.parent}")
    return file


def newest_whole(last: Path) -> Path | None:
    """The newest checkpoint that is not damaged: `last` or one before it; None where there are no checkpoints.

    Raises:
        ValueError: there are some, and all are damaged.
    """
    candidates = _newest_first(last)
    for path in candidates:
        if not (problem := damage(path)):
            return path
        logging.getLogger(__name__).warning(f"{path}: {problem}; the checkpoint before it is taken")
    if candidates:
        raise ValueError(f"resume is auto, but no checkpoint in {last.parent} is whole; allowed: another run_dir=...")
    return None


def _newest_first(last: Path) -> list[Path]:
    """`last`, and the checkpoints of earlier steps than the one it stands for."""
    steps = {int(path.stem.partition("=")[2]): path for path in last.parent.glob("step=*.ckpt")}
    known = last.is_symlink() or last.exists()
    target = last.readlink().stem.partition("=")[2] if last.is_symlink() else ""
    limit = int(target) if target.isdecimal() else max(steps, default=0) + 1
    return [*([last] if known else []), *(steps[step] for step in sorted(steps, reverse=True) if step < limit)]


def _is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether a process of this machine that held a lock has ended, so that only its children may still hold it."""
    if holder.get("host") != gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat
