"""Where files of weights are: on disk, wherever others have put them; downloaded only if that is said."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evaluation.backends.backend import Backend, File
from evaluation.provenance import digest
from reward_forcing.codecs.files import first_line

FOLDER: Final = Path("checkpoints/evaluation")
"""Where weights are looked for by default, and downloaded to."""


@dataclass(frozen=True)
class Shelf:
    """Where to look.

    Args:
        given: files by key, said by the user; nothing else is looked at for these.
        folder: looked into first.
        download: whether what is not found is fetched into the folder.
    """

    given: Mapping[str, Path] = field(default_factory=dict)
    folder: Path = FOLDER
    download: bool = False


def shelf(weights: Sequence[str | Path] = (), *, download: bool = False) -> Shelf:
    """What a user says: a folder, or `key=file` for single files, in any number.

    Raises:
        ValueError: more than one folder, an unknown key, or a path that is not there.
    """
    given = dict(str(word).split("=", 1) for word in weights if "=" in str(word))
    folders = [Path(word) for word in weights if "=" not in str(word)]
    for key, path in given.items():
        if not Path(path).is_file():
            raise ValueError(f"weights: {key}={path}: there is no such file")
    if len(folders) > 1 or (folders and not download and not folders[0].is_dir()):
        raise ValueError(f"weights: {', '.join(map(str, folders))}; allowed: one folder that exists, and KEY=FILE")
    folder = folders[0] if folders else FOLDER
    return Shelf({key: Path(path) for key, path in given.items()}, folder, download)


def check_keys(where: Shelf, backends: Mapping[str, Backend]) -> None:
    """Raise ValueError where a file is given for nothing."""
    known = sorted({file.key for backend in backends.values() for file in backend.files})
    for key in where.given:
        if key not in known:
            raise ValueError(f"weights: {key!r} is unknown; allowed: {', '.join(known)}")


def places(file: File, where: Shelf) -> Iterator[Path]:
    """Where a file may be, the best place first: given, the folder, then what torch, the hub, and VBench have kept."""
    if file.key in where.given:
        yield where.given[file.key]
        return
    kept = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser() / "hub" / "checkpoints"
    vbench = Path(os.environ.get("VBENCH_CACHE_DIR", "~/.cache/vbench")).expanduser()
    for name in file.names:
        yield where.folder / name
        yield kept / name
    yield from (vbench / path for path in file.cached)
    yield from _from_hub(file)


def _from_hub(file: File) -> Iterator[Path]:
    """The hub's cache, read without a connection."""
    if file.repo:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(file.repo, file.repo_file)
        if isinstance(found, str):
            yield Path(found)


def find(file: File, where: Shelf) -> Path | None:
    """A file on disk; None if it is nowhere."""
    return next((path for path in places(file, where) if path.is_file()), None)


def fetch(file: File, where: Shelf) -> Path:
    """A file, downloaded if that is allowed and it is not on disk, and not another one than it should be.

    Raises:
        ValueError: it is not there, or has another digest than it should; the message says how to get it.
    """
    path = find(file, where)
    if path is None and where.download and (file.url or file.repo):
        path = _downloaded(file, where)
    if path is None:
        missing = f"{file.names[0]} is neither in {where.folder} nor in a cache"
        raise ValueError(f"{missing}; get it ({file.size / 1e6:.4g} MB): {file.hint}")
    if file.sha256 and not (found := digest(path)).startswith(file.sha256):
        raise ValueError(f"{path} is not {file.names[0]}: its SHA-256 is {found[:16]}..., not {file.sha256[:16]}...")
    return path


def _downloaded(file: File, where: Shelf) -> Path:
    try:
        if file.repo:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(file.repo, file.repo_file))
        from torch.hub import download_url_to_file

        where.folder.mkdir(parents=True, exist_ok=True)
        target = where.folder / file.names[0]
        download_url_to_file(file.url, str(target), hash_prefix=file.sha256 or None, progress=False)
    except Exception as error:  # whatever connections, disks and the hub raise
        said = first_line(error)
        raise ValueError(f"{file.names[0]} could not be downloaded ({said}); get it by hand: {file.hint}") from error
    return target
