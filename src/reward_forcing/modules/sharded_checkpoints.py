"""Checkpoints, looked through before training reads them.

Of checkpoints in parts, `torch.distributed.checkpoint` reads two things with a plain `pickle`, which would run code
inside a file of a stranger: the index of the parts (`.metadata`), and every entry that is no tensor.
"""

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata

from reward_forcing.codecs.files import first_line, unpickled

INDEX: Final = ".metadata"

METADATA_NAMES: Final = (
    "Metadata",
    "MetadataIndex",
    "StorageMeta",
    "BytesStorageMetadata",
    "TensorStorageMetadata",
    "TensorProperties",
    "ChunkStorageMetadata",
    "_MEM_FORMAT_ENCODING",
)
FORMAT: Final = {
    *(("torch.distributed.checkpoint.metadata", name) for name in METADATA_NAMES),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
}
"""What an index is made of, apart from kinds of numbers (`torch.bfloat16`) and plain values."""


class _Index(pickle.Unpickler):
    """Reads an index; whatever does not belong to the format is refused before it is even imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in FORMAT or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise ValueError(f"it holds {module}.{name}, which is never loaded: it could run code")


def require_plain(path: Path) -> None:
    """Refuse a checkpoint that holds more than tensors, numbers, texts and containers of them, or is none.

    Args:
        path: of a checkpoint: a file, or a folder of parts.

    Raises:
        ValueError: there is something else in it, a part of it lies elsewhere, or it is damaged.
    """
    try:
        _read(path)
    except Exception as error:  # torch and pickle raise many kinds
        reason = first_line(error)
        raise ValueError(f"{path} cannot be read as a checkpoint ({reason}); allowed: another one") from error


def _read(path: Path) -> None:
    """Read what is no tensor of a checkpoint. Raises any error."""
    if (path / INDEX).is_file():
        for content in _entries(path):
            torch.load(io.BytesIO(content), weights_only=True)
        return
    held = unpickled(path)
    for key in ("state_dict", "global_step"):
        if key not in held:
            raise ValueError(f"it has no {key!r}")


def _entries(path: Path) -> Iterator[bytes]:
    """What is no tensor in a checkpoint, each as it was pickled. Raises any error where the index is damaged."""
    with (path / INDEX).open("rb") as file:
        index = _Index(file).load()
    if not isinstance(index, Metadata):
        raise ValueError(f"{INDEX} holds a {type(index).__name__}")  # noqa: TRY004 (as of other files)
    for key, place in (index.storage_data or {}).items():
        if Path(place.relative_path).name != place.relative_path:
            raise ValueError(f"a part is {place.relative_path!r}; it must be a file of the folder")
        if isinstance(index.state_dict_metadata[key.fqn], BytesStorageMetadata):
            with (path / place.relative_path).open("rb") as file:
                file.seek(place.offset)
                yield file.read(place.length)
