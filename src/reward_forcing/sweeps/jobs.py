"""What a sweep is made of: runs to do, and what became of them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from omegaconf import DictConfig

State: TypeAlias = Literal["finished", "finished before", "taken over", "stopped", "failed", "not started"]
DONE: Final = ("finished", "finished before", "taken over")
"""States in which a run's exports are there."""


LONGEST: Final = 200
"""Characters of a folder's name, from which it is cut; file systems allow 255 bytes."""


@dataclass(frozen=True)
class Job:
    """One run to do.

    Args:
        config: composed, checked.
        overrides: what it was composed from.
        label: what distinguishes it in a sweep.
        choices: the same, by key.
        sweep: the sweep's folder; None: a run by itself.
    """

    config: DictConfig
    overrides: tuple[str, ...]
    label: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    sweep: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return Path(str(self.config.run_dir))

    @property
    def title(self) -> str:
        """What it is called where it is told of."""
        return self.label or str(self.folder)

    @property
    def devices(self) -> int:
        """How many it computes on, all nodes together; 1 where Lightning is to find out."""
        devices = str(self.config.trainer.get("devices", 1))
        return (int(devices) if devices.isdecimal() else 1) * int(self.config.trainer.get("num_nodes", 1))


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        folder: where it wrote.
        steps: optimiser steps done, those before a continuation included.
        state: how it ended.
        seconds: how long it took, those before a continuation included.
        scalars: the last value of everything that was reported.
        note: why it failed, or where it was taken from.
    """

    folder: Path
    steps: int
    state: State
    seconds: float = 0.0
    scalars: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def done(self) -> bool:
        """Whether its exports are there."""
        return self.state in DONE


def folder_name(label: str) -> str:
    """A label as the name of a folder: without slashes and quotes, and cut where it is too long."""
    name = re.sub(r"""[/\\'"]""", "_", label)
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{digest}"
