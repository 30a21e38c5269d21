"""Where the files that come with the project are, and which options there are."""

import os
import re
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
ROOT: Final = PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parents[1]
"""Where `configs`, `experiments` and `checkpoints` are: in the installed package, or in the repository."""


def shipped(path: str) -> Path:
    """The place of a file or folder that comes with the project, such as `checkpoints/toy/teacher.safetensors`."""
    return ROOT / path


SEARCHED: Final = "REWARD_FORCING_CONFIG_PATH"
"""The environment variable that names folders with options and experiments of one's own, as PATH names programs."""


def own_folders() -> list[Path]:
    """The folders to look for groups and experiments in besides the project's, the first first."""
    return [Path(folder).absolute() for folder in os.environ.get(SEARCHED, "").split(os.pathsep) if folder]


def search(*folders: str) -> None:
    """Look in these folders, too, from now on, in this process and those that it starts.

    Raises:
        ValueError: one is no folder.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise ValueError(f"{folder!r} is no folder")
    absolute = [str(Path(folder).absolute()) for folder in folders]
    os.environ[SEARCHED] = os.pathsep.join(dict.fromkeys([*map(str, own_folders()), *absolute]))


def options(group: str) -> dict[str, str]:
    """The options of a config group, and the comment in their first line."""
    found = {}
    for name, path in files(group).items():
        comments = [line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"# (?!@)", line)]
        found[name] = comments[0][2:] if comments else ""
    return found


def files(group: str) -> dict[str, Path]:
    """The file of every option of a config group, sorted by name; the project's own come before those of others."""
    place = shipped(group if group == "experiments" else f"configs/{group}")
    folders = [*(folder / group for folder in reversed(own_folders())), place]
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return dict(sorted(found.items()))


def groups() -> list[str]:
    """All config groups but Hydra's own."""
    return sorted(path.name for path in shipped("configs").iterdir() if path.is_dir() and path.name != "hydra")
