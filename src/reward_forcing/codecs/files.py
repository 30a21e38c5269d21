"""Files of tensors, and whether they fit what is to be filled from them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final
from zipfile import is_zipfile

import torch
from torch import Tensor

SAMPLES: Final = 64
"""Places of a file that tell it from others."""

SAMPLE: Final = 4096
"""Bytes read at each of them."""


def read_tensors(path: Path, place: str = "codec") -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or pickled file, mapped from it; nothing else in a pickle is ever executed.

    Args:
        path: of the file.
        place: what an error is about.

    Raises:
        ValueError: the file is damaged, or is no file of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            held: dict[str, Tensor] = load_file(path)
        else:
            held = unpickled(path)
        return dict(held)
    except Exception as error:  # torch and safetensors raise many kinds
        raise ValueError(f"{place}: {path} cannot be read as a file of tensors ({first_line(error)})") from error


def unpickled(path: Path) -> Any:
    """What a pickled file holds: tensors, numbers and containers, mapped where the format allows. The only reader.

    Raises:
        ValueError: the file is damaged, or holds other objects, which unpickling would run code for.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except UnpicklingError as error:
        raise ValueError(
            "it is damaged, or holds Python objects, which are never loaded: they could run code"
        ) from error
    except Exception as error:  # torch raises many kinds
        raise ValueError(first_line(error)) from error


def require_fit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str, what: str) -> None:
    """Raise ValueError unless names and shapes are the expected ones; it names the first that is not."""
    faults = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "misshaped": [name for name in expected if name in given and given[name].shape != expected[name].shape],
    }
    if faults["misshaped"]:
        name = faults["misshaped"][0]
        faults["misshaped"][0] = f"{name} {list(given[name].shape)}, not {list(expected[name].shape)}"
    require_none(faults, source, what)


def require_none(faults: Mapping[str, Sequence[str]], source: str, what: str) -> None:
    """Raise ValueError if there are names of any kind of fault; it has the first of each kind."""
    found = "; ".join(f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names)
    if found:
        raise ValueError(f"{source} does not fit {what}: {found}")


def fingerprint(files: Iterable[Path], more: str = "") -> str:
    """A short name for the content of files, wherever they lie: of their sizes and of samples from begin to end.

    Training moves all weights, so that samples tell two checkpoints of one size apart without reading gigabytes.
    """
    identity = hashlib.sha256(more.encode())
    for file in files:
        size = file.stat().st_size
        identity.update(f"{size} bytes".encode())
        with file.open("rb") as opened:
            for place in range(SAMPLES):
                opened.seek(max(0, size - SAMPLE) * place // (SAMPLES - 1))
                identity.update(opened.read(SAMPLE))
    return identity.hexdigest()[:16]


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
