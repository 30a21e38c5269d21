"""Videos brought to another place, and what a manifest there says about them."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from evaluation.manifest import Entry

VIDEOS: Final = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".gif")
"""Endings of videos."""


def line_of(entry: Entry, folder: Path) -> dict[str, Any]:
    """An entry as a line of a manifest in a folder."""
    return {
        "video": Path(os.path.relpath(entry.video, folder)).as_posix(),
        "prompt": entry.prompt,
        "seed": entry.seed,
        "cell": entry.cell,
        "fps": entry.fps,
        "metadata": dict(entry.metadata),
    }


def link(source: Path, target: Path) -> None:
    """A hard link; a copy where there can be none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def put(folder: Path, files: Mapping[str, Path], bring: Callable[[Path, Path], object] = link) -> None:
    """Bring files under names into a folder, in one step each; what is there and as old as its source is left alone.

    Args:
        folder: to bring them into.
        files: where they are, by the names they get.
        bring: makes the target, which is not there, from the source.

    Raises:
        ValueError: other videos are in the folder; whoever scores it would score them, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.iterdir() if path.suffix in VIDEOS and path.name not in files)
    others = [name for name in others if not name.startswith(".")]
    if others:
        raise ValueError(f"{folder} holds {len(others)} other videos ({others[0]}, ...); choose an empty folder")
    for name, source in files.items():
        target, partial = folder / name, folder / f".partial{Path(name).suffix}"
        if target.is_file() and _is_current(source, target):
            continue
        partial.unlink(missing_ok=True)
        bring(source, partial)
        if not partial.samefile(source):
            os.utime(partial, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
        partial.replace(target)


def _is_current(source: Path, target: Path) -> bool:
    """Whether a file came from another: as it is, or encoded again and given its time."""
    old, new = source.stat(), target.stat()
    return old.st_mtime_ns == new.st_mtime_ns and (source.suffix != target.suffix or old.st_size == new.st_size)
