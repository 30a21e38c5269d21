"""VBench's names of video files, `<prompt>-<sample>.mp4`: the official package looks prompts up by them."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

SAMPLES: Final = 5
"""Videos of a prompt that the official package looks for: -0 to -4."""

LONGEST: Final = 255
"""Bytes of a file's name on the usual file systems."""

SUFFIX: Final = ".mp4"
"""The one kind of video that the official package decodes as such."""

SHOWN: Final = 3  # names in a message

RENAME: Final = (
    "give the video a short prompt in its metadata, 'official_prompt', "
    "or name the list that its prompts were rewritten by (--rewritten)"
)


def official_name(prompt: str, sample: int) -> str:
    """A video's official name.

    >>> official_name("a red fox", 3)
    'a red fox-3.mp4'
    """
    return f"{prompt}-{sample}{SUFFIX}"


def split_name(stem: str) -> tuple[str, int | None]:
    """Prompt and sample of a name without its ending; no sample where there is no number.

    >>> split_name("a close-up-12"), split_name("a close-up")
    (('a close-up', 12), ('a close-up', None))
    """
    found = re.fullmatch(r"(.+)-(\d+)", stem, re.DOTALL)
    return (found[1], int(found[2])) if found else (stem, None)


def check_names(names: Sequence[str], *, case_sensitive: bool) -> None:
    """Whether files can be called so, all in one folder.

    Args:
        names: of files, each once.
        case_sensitive: whether the folder tells upper from lower case (Linux does, macOS and Windows do not).

    Raises:
        ValueError: a name has a slash or a control character, is too long, or is the same as another but for case.
    """
    for name in names:
        if re.search(r"[/\\\x00-\x1f]", name) or name.startswith("."):
            raise ValueError(f"{name!r} is no file name: no slash, control character or leading dot; {RENAME}")
        if len(name.encode()) > LONGEST:
            raise ValueError(f"{name[:60]!r}... has {len(name.encode())} bytes; allowed: {LONGEST}; {RENAME}")
    twins = [] if case_sensitive else case_twins(names)
    if twins:
        told = "; ".join(" = ".join(map(repr, group)) for group in twins[:SHOWN])
        raise ValueError(
            f"these names differ only in case, and are one file on macOS and Windows: {told}; leave one out, or allow "
            "them (--case-sensitive) on a file system that tells them apart"
        )


def case_twins(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that are the same but for case."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
