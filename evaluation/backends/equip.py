"""Instruments for an evaluation: those whose weights are there, and why the others are not at hand."""

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from evaluation.backends.backend import Backend, discover
from evaluation.backends.locate import Shelf, check_keys, fetch, shelf
from evaluation.instruments import BUILT_IN, Equipment
from evaluation.measure import Measure
from evaluation.provenance import digest
from evaluation.signals import Extractor
from reward_forcing.machine import device_named


def equip(
    names: Iterable[str],
    weights: Sequence[str | Path] = (),
    device: str | torch.device = "cpu",
    *,
    download: bool = False,
) -> Equipment:
    """The built-in instruments, and those of the names whose weights are found.

    Args:
        names: of instruments.
        weights: a folder to look into first, and files as `key=file`; caches of torch, the hub and VBench come next.
        device: where networks run; "auto" is a GPU if there is one.
        download: whether weights that are not on disk are fetched.

    Raises:
        ValueError: `weights` is wrong. Missing or wrong files are no errors; the reason stands in `missing`.
    """
    known, where = discover(), shelf(weights, download=download)
    check_keys(where, known)
    wanted = [known[name] for name in dict.fromkeys(names) if name in known]
    return assemble(wanted, where, chosen_device(device))


def assemble(wanted: Iterable[Backend], where: Shelf, device: torch.device) -> Equipment:
    """Load backends one after the other."""
    instruments, missing, fingerprints = dict(BUILT_IN), {}, {}
    for backend in wanted:
        try:
            instrument, fingerprint = load(backend, where, device)
        except (ValueError, OSError, RuntimeError) as error:
            missing[backend.name] = f"{backend.title}: {error}"
        else:
            instruments[backend.name], fingerprints[backend.name] = instrument, fingerprint
    return Equipment(instruments, missing, fingerprints)


def load(backend: Backend, where: Shelf, device: torch.device) -> tuple[Extractor, str]:
    """An instrument and its fingerprint.

    Raises:
        ValueError: a library or a file is missing, or a file does not hold what it should.
    """
    if lacking := backend.unimportable():
        raise ValueError(f"{', '.join(lacking)} is not installed; pip install {' '.join(lacking)}")
    paths = [fetch(file, where) for file in backend.files]
    return backend.load(paths, device), fingerprint(backend, paths, device)


def fingerprint(backend: Backend, paths: Sequence[Path], device: torch.device) -> str:
    """What the signals depend on, apart from this package's code: files, libraries, and the kind of device."""
    files = [f"{file.key} sha256:{digest(path)}" for file, path in zip(backend.files, paths, strict=True)]
    libraries = [f"{name} {importlib.metadata.version(DISTRIBUTIONS.get(name, name))}" for name in backend.libraries]
    return ", ".join(filter(None, [*files, backend.about(paths), *libraries, device.type]))


DISTRIBUTIONS: Mapping[str, str] = {"open_clip": "open-clip-torch", "PIL": "pillow"}
"""What libraries are called where they are installed from, if otherwise."""


def needed_by(measures: Iterable[Measure]) -> list[str]:
    """The instruments that metrics need."""
    return list(dict.fromkeys(need for measure in measures for need in measure.needs))


def chosen_device(wanted: str | torch.device) -> torch.device:
    """A device by name; "auto" is a GPU if there is one. Raises ValueError where there is no such device."""
    return torch.device(device_named(str(wanted)))
