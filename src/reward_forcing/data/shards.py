"""Random access to the samples of a folder of shards, and where such folders come from."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from reward_forcing.data.manifest import MANIFEST, Manifest, Shard, read_manifest
from reward_forcing.data.tar import Member, broken, members, read_array, read_bytes
from reward_forcing.data.writing import checksum


class Shards:
    """A complete folder of shards, read member by member: any sample at any time, from any process, nothing kept open.

    Args:
        folder: of the shards and their manifest.

    Raises:
        ValueError: the folder is incomplete, or a shard is missing, truncated or does not hold what the manifest says.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest: Manifest = read_manifest(self.folder)
        self._places: list[tuple[Path, dict[str, Member]]] = []
        for shard in self.manifest.shards:
            path = self.folder / shard.name
            self._places += [(path, fields) for fields in _samples(path, shard, set(self.manifest.fields))]
        if len(self) != self.manifest.clips:
            raise broken(self.folder / MANIFEST, f"its shards hold {len(self)} of {self.manifest.clips} clips")

    def __len__(self) -> int:
        return len(self._places)

    def array(self, clip: int, field: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Rows (frames, for videos and latents) of an array of one clip."""
        self.require(field)
        path, fields = self._places[clip]
        return read_array(path, fields[field], rows, self.manifest.fields[field])

    def text(self, clip: int, field: str = "caption.txt") -> str:
        """A text of one clip, its caption by default."""
        self.require(field)
        path, fields = self._places[clip]
        try:
            return read_bytes(path, fields[field]).decode("utf-8")
        except UnicodeDecodeError as error:
            raise broken(path, f"{field} of clip {clip} is no UTF-8 text") from error

    def record(self, clip: int, field: str = "state.json") -> Any:
        """A JSON field of one clip."""
        try:
            return json.loads(self.text(clip, field))
        except json.JSONDecodeError as error:
            raise broken(self._places[clip][0], f"{field} of clip {clip} is no JSON") from error

    def has(self, field: str) -> bool:
        """Whether the clips have this field."""
        return field in self.manifest.fields

    def require(self, field: str) -> None:
        """Raise ValueError unless the clips have this field."""
        if not self.has(field):
            held = ", ".join(self.manifest.fields)
            raise ValueError(f"shards: the clips of {self.folder} have no {field}; they have {held}")

    def verify(self) -> None:
        """Compare every shard with its checksum. Raises ValueError for the first that changed since it was written."""
        for shard in self.manifest.shards:
            if checksum(self.folder / shard.name) != shard.sha256:
                raise broken(self.folder / shard.name, "its SHA-256 is not the one in manifest.json")


@runtime_checkable
class ShardSource(Protocol):
    """Where a folder of shards comes from."""

    @property
    def folder(self) -> Path:
        """Where the shards are, once prepared."""
        ...

    def prepare(self) -> None:
        """Make what is missing."""
        ...


@dataclass(frozen=True)
class ExistingShards:
    """A folder that is already there, such as one written by `reward-forcing data`."""

    path: str

    @property
    def folder(self) -> Path:
        """The folder."""
        return Path(self.path)

    def prepare(self) -> None:
        """Raise ValueError early when the folder is incomplete."""
        read_manifest(self.folder)


def _samples(path: Path, shard: Shard, wanted: set[str]) -> list[dict[str, Member]]:
    """Where the fields of each sample of a shard lie."""
    if not path.is_file():
        raise broken(path, "it is missing")
    if path.stat().st_size != shard.bytes:
        raise broken(path, f"it has {path.stat().st_size} of {shard.bytes} bytes")
    samples: dict[str, dict[str, Member]] = defaultdict(dict)
    for member in members(path):
        samples[member.key][member.field] = member
    for key, fields in samples.items():
        if set(fields) != wanted:
            raise broken(path, f"sample {key} has fields {sorted(fields)}, not {sorted(wanted)}")
    return list(samples.values())
