"""Single members of uncompressed tar files, read where they lie."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reward_forcing.data.manifest import Field


@dataclass(frozen=True)
class Member:
    """One field of one sample: `offset` and `size` are bytes within the tar file."""

    key: str
    field: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """The members of a shard in their order; `000012.video.npy` is field `video.npy` of sample `000012`.

    Raises:
        ValueError: the file is missing, truncated or no uncompressed tar.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                key, _, field = entry.name.partition(".")
                yield Member(key, field, entry.offset_data, entry.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise broken(path, str(error)) from error


def read_bytes(path: Path, member: Member) -> bytes:
    """The content of a member. Raises ValueError when the file ends before it does."""
    with path.open("rb") as stream:
        stream.seek(member.offset)
        content = stream.read(member.size)
    if len(content) < member.size:
        raise broken(path, f"it ends within {member.key}.{member.field}")
    return content


def read_array(path: Path, member: Member, rows: slice, expected: Field) -> NDArray[Any]:
    """Rows `rows` (start and stop, no step) of a stored array, without reading the others.

    Raises:
        ValueError: the member is no array of the expected dtype and shape.
    """
    with path.open("rb") as stream:
        stream.seek(member.offset)
        dtype, shape = _header(path, member, stream)
        if (dtype.name, shape) != (expected.dtype, expected.shape):
            raise broken(path, f"{member.key}.{member.field} is {dtype.name} {shape}, not as in manifest.json")
        start, stop, _ = rows.indices(shape[0])
        stop = max(start, stop)
        row = int(np.prod(shape[1:], dtype=np.int64))
        stream.seek(start * row * dtype.itemsize, 1)
        flat = np.fromfile(stream, dtype, (stop - start) * row)
    if flat.size < (stop - start) * row:
        raise broken(path, f"it ends within {member.key}.{member.field}")
    return flat.reshape(stop - start, *shape[1:])


def describe(path: Path, member: Member) -> Field:
    """The dtype and shape of a stored field, read from its header."""
    if not member.field.endswith(".npy"):
        return Field("json" if member.field.endswith(".json") else "text")
    with path.open("rb") as stream:
        stream.seek(member.offset)
        dtype, shape = _header(path, member, stream)
    return Field(dtype.name, shape)


def broken(path: Path, why: str) -> ValueError:
    """The error for a shard that cannot be used."""
    return ValueError(f"shards: {path} is damaged ({why}); delete the folder {path.parent} and write it again")


def _header(path: Path, member: Member, stream: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Dtype and shape of the .npy that starts here; leaves the stream at its first number."""
    try:
        np.lib.format.read_magic(stream)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise broken(path, f"{member.key}.{member.field} is no .npy array") from error
    if by_columns or dtype.hasobject:
        raise broken(path, f"{member.key}.{member.field} is no plain array in C order")
    return dtype, shape
