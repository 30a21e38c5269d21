"""The list of videos to judge: JSON lines, one video each, in the order in which reports show them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FIELDS: Final[dict[str, tuple[str, tuple[type, ...]]]] = {
    "video": ("a path relative to the manifest", (str,)),
    "prompt": ("a text", (str,)),
    "seed": ("an integer", (int,)),
    "cell": ("a text that is not empty", (str,)),
    "fps": ("a number above 0", (int, float)),
}
OPTIONAL: Final[dict[str, tuple[str, tuple[type, ...]]]] = {"metadata": ("an object", (dict,))}


@dataclass(frozen=True)
class Entry:
    """A video and where it comes from.

    Videos of two cells are compared pairwise where prompt and seed agree: that must mean the same initial noise.
    """

    video: Path
    prompt: str
    seed: int
    cell: str
    """What is compared with what: a sink, a loss, a model."""
    fps: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What a trained model's video is known by."""
        return (self.cell, self.prompt, self.seed)

    @property
    def identity(self) -> tuple[str, str, int, str]:
        """What tells the entry from all others: a cell may hold videos of several trained models."""
        return (*self.key, str(self.metadata.get("training_seed", "")))


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """Read and check a manifest; paths of videos are made relative to its folder.

    Raises:
        ValueError: the file or a video is missing, no video is listed, a line is no JSON object, a field is missing,
            unknown or of another kind than allowed, or a video (cell, prompt, seed) is listed twice. Names the line.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such manifest; `reward-forcing generate` writes one beside its videos")
    entries: list[Entry] = []
    seen: dict[tuple[str, str, int, str], int] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        entry = _entry(_object(line, place), place, path.parent)
        if entry.identity in seen:
            raise ValueError(
                f"{place}: cell, prompt, seed (and training_seed) are those of line {seen[entry.identity]}; "
                "allowed: once each"
            )
        seen[entry.identity] = number
        entries.append(entry)
    if not entries:
        raise ValueError(f"{path}: no video is listed; a manifest has one JSON object a line")
    return tuple(entries)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason}); a manifest has one JSON object a line") from error


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}: not JSON ({error}); allowed: one JSON object a line") from error
    if not isinstance(content, dict):
        message = f"{place}: {content!r} is not an object; allowed: fields {', '.join(FIELDS)}"
        raise ValueError(message)  # noqa: TRY004 - the file is wrong, not a caller's type
    return content


def _entry(content: dict[str, Any], place: str, folder: Path) -> Entry:
    for name in content:
        if name not in FIELDS | OPTIONAL:
            raise ValueError(f"{place}: field {name!r} is unknown; allowed: {', '.join(FIELDS | OPTIONAL)}")
    for name, (allowed, _) in FIELDS.items():
        if name not in content:
            raise ValueError(f"{place}: field {name!r} is missing; it must be {allowed}")
    for name, value in content.items():
        _check(name, value, place)
    video = folder / content["video"]
    if not _is_file(video):
        raise ValueError(f"{place}: field 'video' is {content['video'][:200]!r}; there is no such file in {folder}")
    return Entry(**{**content, "video": video, "fps": float(content["fps"])})


def _is_file(path: Path) -> bool:
    """Whether it is one; names that no file can have are none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _check(name: str, value: object, place: str) -> None:
    allowed, kinds = (FIELDS | OPTIONAL)[name]
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if name == "fps":
        right = right and isinstance(value, int | float) and 0 < value < float("inf")
    if name == "cell":
        right = right and bool(str(value).strip())
    if not right:
        raise ValueError(f"{place}: field {name!r} is {value!r}; it must be {allowed}")
