"""Files that must survive: written aside, flushed to the disk, renamed into place, with a digest beside them.

Whatever ends the process or the machine, at no instant is there a part of a file under its name. A file may also be a
folder of files here (a sharded checkpoint).
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial"
DIGEST: Final = ".sha256"


def aside(path: Path) -> Path:
    """Where to write what is to become `path`."""
    return path.with_name(path.name + PARTIAL)


def seal_of(path: Path) -> Path:
    """Where the digest of `path` is: a line as of `sha256sum`."""
    return path.with_name(path.name + DIGEST)


def publish(path: Path) -> None:
    """Let what was written `aside(path)` become `path`, its digest beside it.

    What there was under that name is given up first, since a digest cannot change together with its file.

    Raises:
        OSError: the disk refuses.
    """
    written = aside(path)
    for file in files(written):
        flush(file)
    remove(path)
    write_text(seal_of(path), f"{digest(written)}  {path.name}\n")
    written.replace(path)
    flush(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file; a reader sees the old text or the new one. Raises OSError if the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside(path).write_text(text, encoding="utf-8")
    flush(aside(path))
    aside(path).replace(path)
    flush(path.parent)


def damage(path: Path) -> str:
    """What is wrong with a file that `publish` once put there; empty: nothing, or there is no digest to tell."""
    if not path.exists():
        return "it is missing"
    target = path.resolve()
    seal = seal_of(target)
    if not seal.is_file() or seal.read_text(encoding="utf-8").split()[:1] == [digest(target)]:
        return ""
    return f"it is damaged: its SHA-256 is not the one in {seal.name}"


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and digests of all files in a folder."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = [f"{digest(file)}  {file.relative_to(path)}\n" for file in files(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def files(path: Path) -> list[Path]:
    """A file itself, or all files in a folder, in a stable order."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def flush(path: Path) -> None:
    """Have a file, or the entries of a folder, written to the disk before anything that comes after."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or folder and its digest, if they are there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    seal_of(path).unlink(missing_ok=True)


def point_to(path: Path, link: Path) -> None:
    """Make `link` stand for its neighbour `path`; at every moment it stands for the old one or the new one."""
    aside(link).unlink(missing_ok=True)
    aside(link).symlink_to(path.name)
    aside(link).replace(link)
    flush(link.parent)
