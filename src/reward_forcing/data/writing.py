"""Writing webdataset shards that can be interrupted at any time and are never half finished.

Shards appear whole, the manifest last. A second run keeps the shards that are there and writes the others; two runs at
once wait for each other.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from reward_forcing.data.manifest import MANIFEST, Field, Manifest, Shard, read_manifest, write_manifest, write_whole
from reward_forcing.data.tar import Member, describe, members

Sample: TypeAlias = Mapping[str, Any]
"""Fields of one sample by name: an array for `.npy`, text for `.txt`, anything JSON can hold for `.json`."""

SampleMaker: TypeAlias = Callable[[range], Iterable[Sample]]
"""The samples of these numbers, in order; the same at every call."""

PLAN: Final = "unfinished.json"
LOCK: Final = ".lock"


def write_shards(
    folder: Path, make: SampleMaker, *, clips: int, origin: Mapping[str, Any], clips_per_shard: int = 256
) -> Manifest:
    """Write samples 0 to clips - 1, or go on where an earlier run stopped, or do nothing where it finished.

    Args:
        folder: to write into; made if missing.
        make: gives the samples.
        clips: how many.
        origin: what the samples are made from, JSON; a folder takes only what has the same origin.
        clips_per_shard: samples in a tar file.

    Raises:
        ValueError: a number is not positive, the folder holds something of another origin, or samples differ in their
            fields, dtypes or shapes.
    """
    for name, value in (("clips", clips), ("clips_per_shard", clips_per_shard)):
        if value < 1:
            raise ValueError(f"shards.{name} is {value}; it must be at least 1")
    plan = json.loads(json.dumps({"clips": clips, "clips_per_shard": clips_per_shard, "origin": origin}))
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not (folder / MANIFEST).is_file():
            _begin(folder, plan)
            _write_missing(folder, make, clips, clips_per_shard)
            write_manifest(folder, _summary(folder, plan))
            (folder / PLAN).unlink()
        manifest = read_manifest(folder)
        _require_same(folder, {"clips": manifest.clips, "origin": manifest.origin}, plan)
    return manifest


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"shard-{number:06d}.tar"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begin(folder: Path, plan: Mapping[str, Any]) -> None:
    """Note what is being written; refuse to mix it with something else."""
    if (folder / PLAN).is_file():
        _require_same(folder, json.loads((folder / PLAN).read_text("utf-8")), plan)
    elif any(folder.glob("*.tar")):
        raise ValueError(f"shards: {folder} has tar files but no manifest; move them or write to another folder")
    else:
        write_whole(folder / PLAN, json.dumps(plan))


def _require_same(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in found:
        if found[name] != wanted[name]:
            raise ValueError(
                f"shards: {folder} holds other data: {name} is {found[name]}, not {wanted[name]}; "
                "delete the folder or write to another one"
            )


def _write_missing(folder: Path, make: SampleMaker, clips: int, clips_per_shard: int) -> None:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(f"Writing {folder}", total=clips)
        for number, first in enumerate(range(0, clips, clips_per_shard)):
            numbers, path = range(first, min(first + clips_per_shard, clips)), folder / shard_name(number)
            if not path.is_file():
                _write_shard(path, numbers, make(numbers), partial(bar.advance, task))
            bar.update(task, completed=numbers.stop)


def _write_shard(path: Path, numbers: range, samples: Iterable[Sample], done: Callable[[], None]) -> None:
    from webdataset import TarWriter

    aside = path.with_suffix(".partial")
    fields: dict[str, Field] | None = None
    with aside.open("wb") as stream, TarWriter(stream, mtime=0) as writer:
        for number, sample in zip(numbers, samples, strict=True):
            stored = {name: _storable(name, value) for name, value in sample.items()}
            found = {name: _field(name, value) for name, value in stored.items()}
            fields = fields or found
            if found != fields:
                raise ValueError(f"shards: sample {number} has fields {found}; those before it have {fields}")
            writer.write({"__key__": f"{number:08d}", **stored})
            done()
    aside.replace(path)


def _storable(name: str, value: Any) -> Any:
    """Arrays in C order, so that single rows can be read; other values as they are."""
    if not name.endswith(".npy"):
        return value
    array = np.ascontiguousarray(value)
    if array.dtype.hasobject or not array.ndim:
        raise ValueError(
            f"shards: {name} is {array.dtype} {array.shape}; an array of numbers, one row or more, is needed"
        )
    return array


def _field(name: str, value: Any) -> Field:
    if name.endswith(".npy"):
        return Field(value.dtype.name, value.shape)
    return Field("json" if name.endswith(".json") else "text")


def _summary(folder: Path, plan: Mapping[str, Any]) -> Manifest:
    """The manifest of shards that are all there; shards of an earlier run count as much as this run's."""
    paths = sorted(folder.glob("*.tar"))
    found = [list(members(path)) for path in paths]
    shards = tuple(_shard(path, entries) for path, entries in zip(paths, found, strict=True))
    first = [entry for entry in found[0] if entry.key == found[0][0].key]
    fields = {entry.field: describe(paths[0], entry) for entry in first}
    return Manifest(plan["clips"], fields, shards, plan["origin"])


def _shard(path: Path, entries: list[Member]) -> Shard:
    return Shard(path.name, len({entry.key for entry in entries}), path.stat().st_size, checksum(path))


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
