"""Latents and trajectories that others keep in LMDB (CausVid, Self Forcing, Reward Forcing) as shards of ours.

A database holds `latents_shape` and `prompts_shape` (numbers with spaces between, the rows first), and for row i
`latents_{i}_data` (fp16) and `prompts_{i}_data` (UTF-8). There may be one database, or a folder full of them.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reward_forcing.codecs.files import fingerprint
from reward_forcing.data.writing import Sample, write_shards

CLIP_DIMENSIONS: Final = 4
"""Axes of one state: frame, channel, height, width."""


@dataclass(frozen=True)
class Database:
    """An open LMDB: its environment, and how many rows of which shape it holds."""

    path: Path
    environment: Any
    rows: int
    shape: tuple[int, ...]

    def row(self, index: int) -> tuple[NDArray[Any], str]:
        """States [level, frame, channel, height, width] in fp16, and their prompt. Raises ValueError for a bad row."""
        data, prompt = self._value(f"latents_{index}_data"), self._value(f"prompts_{index}_data")
        if len(data) != 2 * math.prod(self.shape):
            raise ValueError(
                f"lmdb: {self.path}, latents_{index}_data has {len(data)} bytes; {list(self.shape)} in fp16 takes "
                f"{2 * math.prod(self.shape)}"
            )
        array = np.frombuffer(data, "<f2").reshape(self.shape)
        try:
            return (array[None] if array.ndim == CLIP_DIMENSIONS else array), prompt.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"lmdb: {self.path}, prompts_{index}_data is not UTF-8") from error

    def _value(self, key: str) -> bytes:
        return value_of(self.path, self.environment, key)


def import_lmdb(source: Path, folder: Path) -> str:
    """Write the rows as shards: `reward-forcing data import-lmdb`. An interrupted run goes on where it stopped.

    Rows of several states become `states.npy`, rows of one `latents.npy`; prompts become `caption.txt`.

    Args:
        source: a database (folder with data.mdb, or a file), or a folder of databases.
        folder: to write into.

    Returns:
        What was written.

    Raises:
        ValueError: there is no database, one is damaged or of another shape, or the folder holds something else.
    """
    with _opened(source) as databases:
        ends = [*accumulate(database.rows for database in databases)]
        shape = databases[0].shape
        states = len(shape) > CLIP_DIMENSIONS and shape[0] > 1

        def samples(numbers: range) -> Iterator[Sample]:
            for number in numbers:
                at = bisect_right(ends, number)
                array, prompt = databases[at].row(number - (ends[at] - databases[at].rows))
                yield {"states.npy": array, "caption.txt": prompt} if states else {
                    "latents.npy": array[0], "caption.txt": prompt
                }  # fmt: skip

        files = [path / "data.mdb" if path.is_dir() else path for path in find_databases(source)]
        known = {"databases": len(databases), "content": fingerprint(files), "shape": list(shape)}
        origin = {"kind": "lmdb", "source": source.name, **known}
        write_shards(folder, samples, clips=ends[-1], origin=origin, clips_per_shard=64)
    kind = f"trajectories of {shape[0]} states" if states else "clips"
    return f"{folder}: {ends[-1]} {kind} from {len(databases)} database{'s' * (len(databases) > 1)}"


def find_databases(source: Path) -> list[Path]:
    """The databases at a place: itself, or its entries in alphabetical order. Raises ValueError when there are none."""
    if _is_database(source):
        return [source]
    found = [path for path in sorted(source.iterdir()) if _is_database(path)] if source.is_dir() else []
    if not found:
        raise ValueError(
            f"lmdb: {source} is no database and has none in it; allowed: a folder with data.mdb, an .mdb file, "
            "or a folder of these"
        )
    return found


def value_of(path: Path, environment: Any, key: str) -> bytes:
    """The value under a key. Raises ValueError when there is none."""
    with environment.begin() as transaction:
        value = transaction.get(key.encode())
    if value is None:
        raise ValueError(f"lmdb: {path} has no {key}; it is damaged, or not of the kind that holds latents and prompts")
    return bytes(value)


@contextmanager
def _opened(source: Path) -> Iterator[list[Database]]:
    paths = find_databases(source)
    with ExitStack() as stack:
        databases = [_open(path, stack) for path in paths]
        for database in databases:
            if database.shape != databases[0].shape:
                raise ValueError(
                    f"lmdb: rows of {database.path} are {list(database.shape)}; those of {databases[0].path} are "
                    f"{list(databases[0].shape)}; import them into different folders"
                )
        yield databases


def _open(path: Path, stack: ExitStack) -> Database:
    """A database, closed with the stack."""
    try:
        import lmdb
    except ImportError as error:
        raise ValueError("lmdb: the package `lmdb` is missing; install it: pip install lmdb") from error
    try:
        environment = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise ValueError(f"lmdb: {path} cannot be opened as a database ({error})") from error
    stack.callback(environment.close)
    rows, *shape = _numbers(path, environment, "latents_shape")
    prompts = _numbers(path, environment, "prompts_shape")[0]
    if rows < 1 or rows != prompts or len(shape) not in (CLIP_DIMENSIONS, CLIP_DIMENSIONS + 1):
        raise ValueError(
            f"lmdb: {path} holds latents [{rows}, {', '.join(map(str, shape))}] and {prompts} prompts; allowed: "
            "[rows, (level,) frame, channel, height, width] and one prompt a row"
        )
    return Database(path, environment, rows, tuple(shape))


def _numbers(path: Path, environment: Any, key: str) -> list[int]:
    text = value_of(path, environment, key).decode("utf-8", "replace")
    try:
        return [int(number) for number in text.split() or [""]]
    except ValueError as error:
        raise ValueError(f"lmdb: {path}, {key} is {text!r}; numbers with spaces between are allowed") from error


def _is_database(path: Path) -> bool:
    return (path / "data.mdb").is_file() if path.is_dir() else path.suffix in (".mdb", ".lmdb") and path.is_file()
