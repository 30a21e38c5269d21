"""What a folder of shards holds, in one small file beside them; a folder without that file is not complete."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class Field:
    """One field of every sample: its dtype ("text" or "json" where it is no array) and its shape."""

    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Shard:
    """One tar file of the folder."""

    name: str
    clips: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Counts, shapes and origin of a folder of shards.

    Args:
        clips: samples in all shards together.
        fields: by the name that follows a sample's key in the tar, such as `latents.npy`.
        shards: in the order of the samples.
        origin: what the samples were made from, as JSON: two folders of equal origin hold equal samples.
    """

    clips: int
    fields: dict[str, Field]
    shards: tuple[Shard, ...]
    origin: dict[str, Any]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare a folder complete."""
    write_whole(folder / MANIFEST, json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """What a complete folder holds.

    Raises:
        ValueError: the folder is missing or incomplete, or its manifest is unreadable or of another schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        state = "incomplete: it has no manifest.json" if folder.is_dir() else "not a folder"
        raise ValueError(
            f"shards: {folder} is {state}; run the command that writes it (again), it goes on where it stopped"
        )
    try:
        return _parsed(json.loads(path.read_text("utf-8")))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"shards: {path} is unreadable ({error}); delete {folder} and write it again") from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    aside = path.with_name(path.name + ".partial")
    aside.write_text(text, "utf-8")
    aside.replace(path)


def _shard(*, name: str, clips: int, bytes: int, sha256: str) -> Shard:  # noqa: A002 (as in the file)
    """A shard of the folder itself: a manifest cannot send readers elsewhere."""
    if Path(name).name != name:
        raise ValueError(f"shard {name!r} is not a file of this folder")
    return Shard(name, int(clips), int(bytes), str(sha256))


def _parsed(record: Mapping[str, Any]) -> Manifest:
    if record["schema"] != SCHEMA:
        raise ValueError(f"schema is {record['schema']}, this version reads {SCHEMA}")
    return Manifest(
        clips=int(record["clips"]),
        fields={name: Field(field["dtype"], tuple(field["shape"])) for name, field in record["fields"].items()},
        shards=tuple(_shard(**shard) for shard in record["shards"]),
        origin=dict(record["origin"]),
    )
