"""What every run is told about itself, and where it may write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FREE_TO_CHANGE: Final = (
    "run_dir",
    "resume",
    "settings",
    "streaming",
    "sweep",
    "study",
    "hardware",
    "callbacks",
    "logger",
    "trainer.max_steps",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
)
"""Keys that a continued run may change: where it is written and shown, and how long it goes on."""


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
            ValueError: the folder is in use and `resume` is "never", or there is no such checkpoint.
        """
        if resume == "auto":
            return self.last if self.last.exists() else None
        if self.path.is_dir() and any(self.path.iterdir()):
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
    """The checkpoint that a path means: itself, or the newest of a run's folder. Raises ValueError if there is none."""
    file = RunFolder(path).last if path.is_dir() and not (path / ".metadata").exists() else path
    if not file.exists():
        raise ValueError(f"resume is {path}; allowed: never, auto, or the path of a checkpoint or of a run's folder")
    return file


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the configs of a run and of its continuation, one line a key, apart from what is free to."""
    old, new = flatten(before), flatten(after)
    keys = [key for key in {**old, **new} if old.get(key, "absent") != new.get(key, "absent")]
    kept = [key for key in keys if not any(key == free or key.startswith(f"{free}.") for free in FREE_TO_CHANGE)]
    return [f"{key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}" for key in kept]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat
