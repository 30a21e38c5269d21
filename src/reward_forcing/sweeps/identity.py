"""When two runs are the same: a hash of everything that decides what comes out."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from reward_forcing.run_folder import flatten

WITHOUT_EFFECT: Final = (
    "name",
    "run_dir",
    "resume",
    "settings",
    "sweep",
    "study",
    "hardware",
    "checkpoints",
    "logger",
    "callbacks.progress",
    "callbacks.log_outputs",
    "callbacks.throughput",
    "callbacks.huge_pages",
    "callbacks.sample_videos",
    "callbacks.checkpoints",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.enable_checkpointing",
)
"""Keys that do not change what is learned; a checkpoint counts where a network is loaded from it.

`callbacks.guards` and `callbacks.held_out` count: they decide whether a run comes to its end.
"""

ALIKE: Final[Mapping[str, Any]] = {"data.workers": 0}
"""Keys whose values are all as good as this one: the same batches come, whoever loads them."""

DIGITS: Final = 16


def config_hash(values: Mapping[str, Any]) -> str:
    """Hexadecimal digits that two configs share if and only if they give the same outcome.

    The order of keys does not matter, nor does where a file lies: its name and content count.

    Args:
        values: a composed config, resolved.
    """
    own = str(values.get("run_dir", ""))
    counted = {key: ALIKE.get(key, value) for key, value in flatten(values).items() if not _is_without_effect(key)}
    known = {key: _portable(value, own) for key, value in counted.items()}
    written = json.dumps(known, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:DIGITS]


def _is_without_effect(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in WITHOUT_EFFECT)


def _portable(value: Any, own: str) -> Any:
    """A value with paths replaced by what is there, and the run's own folder by nothing."""
    if isinstance(value, Mapping):
        return {key: _portable(inner, own) for key, inner in value.items()}
    if isinstance(value, list):
        return [_portable(inner, own) for inner in value]
    if not isinstance(value, str) or "/" not in value:
        return value
    if own and (value == own or value.startswith(f"{own}/")):
        return value.removeprefix(own)
    return content(Path(value)) or value


def content(path: Path) -> str:
    """The name of a file or folder and a digest of what is in it; empty where there is none."""
    if path.is_file():
        status = path.stat()
        return f"{path.name}:{_digest(path, status.st_mtime_ns, status.st_size)}"
    return f"{path.name}:{_listing(path)}" if path.is_dir() else ""


@lru_cache(maxsize=256)
def _digest(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 (a changed file is read again)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listing(folder: Path) -> str:
    """What is in a folder: names and sizes, since weights of real scale take minutes to read."""
    files = sorted((str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
