"""The user's own copy of VBench: installed, cloned, or the package as downloaded. We ship none of its files.

A copy is looked at, never imported. The package on the registry holds the prompts and what they are scored on
(`VBench_full_info.json`); lists of prompts and the tables of VBench-Long are in clones of the repository only.
"""

import importlib.metadata
import importlib.util
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

INFO: Final = "vbench/VBench_full_info.json"
HINT: Final = (
    "get a copy by `pip download --no-deps vbench==0.1.5` or by cloning github.com/Vchitect/VBench, and name it: "
    "--vbench PATH (the .whl file, the clone, or a folder that holds `vbench/`)"
)


@dataclass(frozen=True)
class Copy:
    """A copy of VBench; `root` holds `vbench/`, and in a clone `prompts/` and `vbench2_beta_long/`."""

    root: Traversable
    place: str
    """For people."""
    version: str
    """"unknown" for a clone."""

    def text(self, path: str) -> str:
        """A file of the copy.

        Raises:
            ValueError: it has no such file.
        """
        file = self.root.joinpath(*path.split("/"))
        if not file.is_file():
            raise ValueError(
                f"{self.place}: there is no {path}; the package on the registry lacks prompt lists and the tables of "
                "VBench-Long: clone github.com/Vchitect/VBench and name the clone (--vbench PATH)"
            )
        return file.read_text(encoding="utf-8")

    def has(self, path: str) -> bool:
        """Whether the copy has a file."""
        return self.root.joinpath(*path.split("/")).is_file()

    def files(self, folder: str, suffix: str) -> list[str]:
        """All files below a folder that end so, sorted; none where there is no such folder."""
        start = self.root.joinpath(*folder.split("/"))
        return sorted(_below(start, folder, suffix)) if start.is_dir() else []


def find_copy(path: Path | None = None) -> Copy:
    """The copy at a path, or the installed one.

    Raises:
        ValueError: there is none; the message says how to get one.
    """
    if path is None:
        return _installed()
    if not path.exists():
        raise ValueError(f"vbench: {path} is not there; {HINT}")
    if path.is_file():
        return _downloaded(path)
    for root in (path, path.parent, path / "VBench"):
        if (root / INFO).is_file():
            return Copy(root, str(root), _version(root) if path == root else "unknown")
    raise ValueError(f"vbench: {path} holds no {INFO}; {HINT}")


def _installed() -> Copy:
    found = importlib.util.find_spec("vbench")
    if not found or not found.submodule_search_locations:
        raise ValueError(f"vbench: no copy is installed here; {HINT}")
    root = Path(found.submodule_search_locations[0]).parent
    if not (root / INFO).is_file():
        raise ValueError(f"vbench: what is installed in {root} holds no {INFO}; {HINT}")
    try:
        return Copy(root, str(root), importlib.metadata.version("vbench"))
    except importlib.metadata.PackageNotFoundError:
        return Copy(root, str(root), "unknown")


def _downloaded(path: Path) -> Copy:
    root = zipfile.Path(path) if zipfile.is_zipfile(path) else None
    if root is None or not root.joinpath(INFO).is_file():
        raise ValueError(f"vbench: {path} is no package that holds {INFO}; {HINT}")
    version = re.match(r"vbench-([^-]+)-", path.name)
    return Copy(root, str(path), version[1] if version else "unknown")


def _version(root: Path) -> str:
    """The version that a folder of installed packages notes."""
    noted = sorted(root.glob("vbench-*.dist-info"))
    return noted[0].name.removesuffix(".dist-info").removeprefix("vbench-") if noted else "unknown"


def _below(folder: Traversable, place: str, suffix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        inside = f"{place}/{entry.name}"
        if entry.is_dir():
            yield from _below(entry, inside, suffix)
        elif entry.name.endswith(suffix):
            yield inside
