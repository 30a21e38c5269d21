"""Runs that need not be done again: found by the hash of their config, and taken over as links."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reward_forcing.run_folder import RunFolder

DEPTH: Final = 3
"""How deep under a folder runs are looked for: `runs/study/cells/sink=ema`."""


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Where finished runs may be taken from; the group `sweep` of a config.

    Args:
        reuse: folders to look under; null: the folder that the sweep's own lies in.
    """

    reuse: Sequence[str] | None = None

    def folders(self, sweep: Path) -> list[Path]:
        """The folders to look under."""
        return [sweep.parent] if self.reuse is None else [Path(folder) for folder in self.reuse]


def identity_of(run: RunFolder) -> str:
    """The hash of the config that a run was done with, as it noted; empty where it noted none."""
    return str(run.noted(run.progress).get("config_hash", ""))


def known_runs(folders: Iterable[Path]) -> dict[str, list[RunFolder]]:
    """Every run under some folders by the hash of its config, links left out."""
    found: dict[str, list[RunFolder]] = {}
    places = {file.parent.resolve() for folder in folders for file in _notes_under(folder)}
    for place in sorted(places):
        run = RunFolder(place)
        found.setdefault(identity_of(run), []).append(run)
    return found


def _notes_under(folder: Path) -> Iterable[Path]:
    name = RunFolder(folder).progress.name
    return (file for depth in range(DEPTH + 1) for file in folder.glob("*/" * depth + name))


def in_use(own: Path) -> bool:
    """Whether a folder holds something of its own; a link does not."""
    return own.is_dir() and not own.is_symlink() and any(own.iterdir())


def same_run(
    own: Path, identity: str, elsewhere: Mapping[str, list[RunFolder]], here: Mapping[str, list[RunFolder]]
) -> Path | None:
    """The folder of another run that is the same as the one to do; None: there is none.

    Args:
        own: folder of the run to do.
        identity: hash of its config.
        elsewhere: runs that are taken over once they are finished.
        here: runs that are taken over when they have begun.
    """
    others = [run for run in elsewhere.get(identity, []) if run.summary.is_file()]
    found = (run.path for run in [*others, *here.get(identity, [])] if in_use(run.path) and not _is(own, run.path))
    return next(found, None)


def _is(own: Path, other: Path) -> bool:
    return not own.is_symlink() and own.resolve() == other.resolve()


def link(own: Path, other: Path) -> None:
    """Make a folder stand for another run's, by a relative link, in place of an older link or an empty folder."""
    own.parent.mkdir(parents=True, exist_ok=True)
    if own.is_symlink():
        own.unlink()
    elif own.is_dir():
        own.rmdir()
    own.symlink_to(os.path.relpath(other.resolve(), own.parent.resolve()), target_is_directory=True)
