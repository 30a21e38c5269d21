"""Where the files that come with the project are, and which options there are."""

import re
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
ROOT: Final = PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parents[1]
"""Where `configs`, `experiments` and `checkpoints` are: in the installed package, or in the repository."""


def shipped(path: str) -> Path:
    """The place of a file or folder that comes with the project, such as `checkpoints/toy/teacher.safetensors`."""
    return ROOT / path


def options(group: str) -> dict[str, str]:
    """The options of a config group, and the comment in their first line."""
    found = {}
    for path in sorted(shipped(group if group == "experiments" else f"configs/{group}").glob("*.yaml")):
        comments = [line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"# (?!@)", line)]
        found[path.stem] = comments[0][2:] if comments else ""
    return found


def groups() -> list[str]:
    """All config groups but Hydra's own."""
    return sorted(path.name for path in shipped("configs").iterdir() if path.is_dir() and path.name != "hydra")
