"""A backend is a network that instruments look through: what it needs, where that comes from, what it costs.

To add one, add a file to `evaluation/backends/` with a tuple `BACKENDS`: metrics find it by its name.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evaluation import backends
from evaluation.signals import Extractor


@dataclass(frozen=True, kw_only=True)
class File:
    """A file a backend needs.

    Args:
        key: what the user calls it.
        names: of the file, any of which will do; the first is the one it is published under.
        size: in bytes, about.
        licence: of the weights, in words.
        hint: where it comes from.
        url: where it is downloaded from; empty if it has to be fetched by hand.
        repo: name on the Hugging Face hub, if it is there; its cache is looked into.
        repo_file: what it is called there.
        cached: paths below VBench's cache, where its users have it.
        sha256: first digits of its digest, where known.
    """

    key: str
    names: tuple[str, ...]
    size: int
    licence: str
    hint: str
    url: str = ""
    repo: str = ""
    repo_file: str = ""
    cached: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True)
class Footage:
    """The size of a video, for estimates."""

    frames: int
    height: int
    width: int
    fps: float


def nothing_else(_: Sequence[Path]) -> str:
    """Of most backends: signals depend on their files alone."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One network.

    Args:
        name: the instrument's; metrics need it under this.
        title: what it is.
        libraries: that must be importable.
        files: that it reads.
        load: the instrument, given the files in their order and a device.
        cost: of a video, in GFLOP.
        about: what else the signals depend on, given the files: others beside them, settings.
    """

    name: str
    title: str
    libraries: tuple[str, ...] = ()
    files: tuple[File, ...]
    load: Callable[[Sequence[Path], torch.device], Extractor]
    cost: Callable[[Footage], float]
    about: Callable[[Sequence[Path]], str] = nothing_else

    def unimportable(self) -> list[str]:
        """The libraries that are not there."""
        return [name for name in self.libraries if importlib.util.find_spec(name) is None]


def discover() -> dict[str, Backend]:
    """All backends by name, from every file of `evaluation/backends/` that has some.

    Raises:
        ValueError: two share a name.
    """
    found: dict[str, Backend] = {}
    for module in sorted(pkgutil.iter_modules(backends.__path__), key=lambda module: module.name):
        for backend in getattr(importlib.import_module(f"{backends.__name__}.{module.name}"), "BACKENDS", ()):
            if backend.name in found:
                raise ValueError(
                    f"evaluation/backends/{module.name}.py: the name {backend.name!r} is taken; choose another"
                )
            found[backend.name] = backend
    return found
