"""What a result came from: versions, digests, and what the videos' makers wrote down."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import evaluation
import reward_forcing
from evaluation.table import Record
from reward_forcing import machine

PACKAGES: Final = ("torch", "torchmetrics", "numpy", "av", "reward-forcing")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arithmetic_files() -> list[Path]:
    """The code that scores depend on."""
    ours, src = Path(evaluation.__file__).parent, Path(reward_forcing.__file__).parent
    names = [ours / "evidence.py", ours / "measure.py", ours / "windows.py", ours / "baselines.py"]
    names += [ours / "signals.py", ours / "instruments.py"]
    folders = [ours / name for name in ("functional", "metrics", "backends", "networks")]
    folders += [src / "toy", src / "rewards/video_align"]
    return names + [file for folder in folders for file in sorted(folder.glob("*.py"))]


def arithmetic_digest(files: Sequence[Path] | None = None) -> str:
    """SHA-256 of the code that scores depend on, so that old scores are not continued with new arithmetic."""
    whole = hashlib.sha256()
    for file in arithmetic_files() if files is None else files:
        whole.update(file.name.encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that scores depend on."""
    return machine.versions(PACKAGES)


def prompts_digest(records: Sequence[Record]) -> str:
    """SHA-256 of the set of prompts that were judged, sorted, one a line."""
    prompts = sorted({record.prompt for record in records if not record.baseline})
    return hashlib.sha256("\n".join(prompts).encode()).hexdigest()


def shared_metadata(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """For every cell, what the metadata of all its videos agree on."""
    cells: dict[str, dict[str, Any]] = {}
    for r in records:
        known = cells.setdefault(r.cell, dict(r.metadata))
        cells[r.cell] = {key: value for key, value in known.items() if r.metadata.get(key) == value}
    return cells


def differing(cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all cells, in alphabetical order."""
    keys = sorted({key for content in cells.values() for key in content})
    return [key for key in keys if len({repr(content.get(key)) for content in cells.values()}) > 1]
