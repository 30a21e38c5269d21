"""Files of tensors, and whether they fit what is to be filled from them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


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
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(held)
    except Exception as error:  # torch and safetensors raise many kinds
        raise ValueError(f"{place}: {path} cannot be read as a file of tensors ({first_line(error)})") from error


def require_fit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str, what: str) -> None:
    """Raise ValueError unless names and shapes are the expected ones; it names the first that is not."""
    faults = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "misshaped": [name for name in expected if name in given and given[name].shape != expected[name].shape],
    }
    found = "; ".join(f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names)
    if faults["misshaped"]:
        name = faults["misshaped"][0]
        found += f" {list(given[name].shape)}, not {list(expected[name].shape)}"
    if found:
        raise ValueError(f"{source} does not fit {what}: {found}")


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).splitlines() or [type(error).__name__])[0]
