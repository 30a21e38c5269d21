"""Folders of videos become manifests, whoever made them, and manifests become folders."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from evaluation.manifest import Entry
from evaluation.placing import VIDEOS, line_of, put
from evaluation.vbench.names import SAMPLES, official_name, split_name
from evaluation.vbench.suites import Suite
from reward_forcing.video_folder import VideoFolder, video_name, write_manifest

NOTED: Final[dict[str, tuple[type, ...]]] = {"prompt": (str,), "seed": (int,), "cell": (str,), "fps": (int, float)}
"""What a JSON file beside a video may say; everything else becomes metadata."""


@dataclass(frozen=True)
class Imported:
    """What a folder holds."""

    entries: tuple[Entry, ...]
    skipped: Mapping[Path, str]
    """Why a video is left out."""


def import_folder(
    folder: Path,
    *,
    cell: str = "",
    prompts: Path | None = None,
    fps: float | None = None,
    official: bool = False,
    suite: Suite | None = None,
) -> Imported:
    """List the videos of a folder and those below it, in natural order (2 before 10).

    A video's prompt and seed are, in this order: what a JSON file beside it says (`reward-forcing generate` writes
    one), the prompts file, its name: `a red fox-3.mp4` is seed 3 of `a red fox`. Without a seed, videos of a prompt
    are counted.

    Args:
        folder: of the videos.
        cell: what they are compared as (default: as noted beside them, else the folder's name).
        prompts: a text file with a line a video, or JSON `{file: prompt}`.
        fps: frames a second that viewers see (default: as noted, else as the file says).
        official: refuse names that are not VBench's, `<prompt>-<sample>`.
        suite: of VBench; its dimensions and auxiliary information are noted, other prompts left out.

    Raises:
        ValueError: there is no video, or the prompts file does not fit.
    """
    if fps is not None and not 0 < fps < float("inf"):
        raise ValueError(f"import: fps is {fps}; it must be above 0")
    videos = find_videos(folder)
    told = read_prompts_file(prompts, videos, folder) if prompts else {}
    entries: dict[tuple[str, str, int], Entry] = {}
    skipped: dict[Path, str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for video in videos:
        try:
            note = {"cell": folder.resolve().name} | _note(video) | ({"cell": cell} if cell else {})
            entry = _entry(video, note, told.get(video), fps, counts)
            entry = _officially(entry, suite) if official or suite else entry
            if entry.key in entries:
                raise ValueError(f"cell, prompt and seed are those of {entries[entry.key].video.name}")  # noqa: TRY301
        except ValueError as error:
            skipped[video] = str(error)
            continue
        counts[entry.cell, entry.prompt] += 1
        entries[entry.key] = entry
    return Imported(tuple(entries.values()), skipped)


def find_videos(folder: Path) -> list[Path]:
    """The videos in a folder and below, hidden ones and previews (a GIF beside a video) left out.

    Raises:
        ValueError: there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    files = [path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS and path.is_file()]
    seen = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    whole = {path.with_suffix("") for path in seen if path.suffix.lower() != ".gif"}
    found = [path for path in seen if path.suffix.lower() != ".gif" or path.with_suffix("") not in whole]
    if not found:
        raise ValueError(f"{folder}: no video is there; allowed: {', '.join(VIDEOS)}")
    return sorted(found, key=lambda path: _natural(path.relative_to(folder).as_posix()))


def read_prompts_file(path: Path, videos: Sequence[Path], folder: Path) -> dict[Path, str]:
    """Prompts of videos, from lines in the order of the videos or from JSON `{file: prompt}`.

    Raises:
        ValueError: the file is missing or wrong, has not as many lines as there are videos, or lacks one.
    """
    if not path.is_file():
        raise ValueError(f"prompts: {path} is not a file")
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        lines = [line.strip() for line in text.rstrip().split("\n")]
        if len(lines) != len(videos):
            raise ValueError(f"prompts: {path} has {len(lines)} lines, {folder} has {len(videos)} videos; one a video")
        return dict(zip(videos, lines, strict=True))
    try:
        named = {Path(file).as_posix(): str(prompt) for file, prompt in json.loads(text).items()}
    except (json.JSONDecodeError, AttributeError) as error:
        raise ValueError(f"prompts: {path} is no JSON object {{file: prompt}}") from error
    keys = {video: (video.relative_to(folder).as_posix(), video.name) for video in videos}
    missing = [video for video, names in keys.items() if not named.keys() & set(names)]
    if missing:
        raise ValueError(f"prompts: {path} has no prompt for {missing[0].name} and {len(missing) - 1} others")
    return {video: next(named[name] for name in names if name in named) for video, names in keys.items()}


def frame_rate(video: Path) -> float:
    """Frames a second as a video says it. Raises ValueError if it cannot be read or does not say."""
    import av

    try:
        with av.open(str(video)) as container:
            rate = container.streams.video[0].average_rate
    except (av.FFmpegError, OSError, IndexError) as error:
        raise ValueError(f"not a readable video ({error})") from error
    if not rate:
        raise ValueError("its frame rate is unknown; give one (--fps)")
    return float(rate)


def missing_videos(entries: Collection[Entry], suite: Suite, samples: int = SAMPLES) -> list[str]:
    """Names of the videos that VBench would look for and not find, for the dimensions that have some."""
    there = {(entry.prompt, entry.metadata.get("sample", entry.seed)) for entry in entries}
    begun = {name for prompt, _ in there for name in suite.dimensions_of(prompt)}
    wanted = ((text, i) for text in dict.fromkeys(p.text for p in suite.of(tuple(begun))) for i in range(samples))
    return [official_name(*video) for video in wanted if video not in there]


def write_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Write a manifest.

    Raises:
        ValueError: there is one already.
    """
    if path.exists():
        raise ValueError(f"{path} is there already; choose another (--out), or move it away")
    write_manifest(path, [line_of(entry, path.parent) for entry in entries])


def export_plain(entries: Sequence[Entry], folder: Path) -> Path:
    """Write `videos/`, with a JSON file beside each, and `manifest.jsonl`; the path of the manifest.

    Raises:
        ValueError: the folder holds other videos, or two videos would have one name.
    """
    named = {video_name(*entry.key) + entry.video.suffix: entry for entry in entries}
    if len(named) < len(entries):
        raise ValueError(f"{folder}: cells differ in nothing but space and underscore; call them something else")
    put(folder / "videos", {name: entry.video for name, entry in named.items()})
    lines = [line_of(entry, folder) | {"video": f"videos/{name}"} for name, entry in named.items()]
    VideoFolder(folder, "").add(lines)
    return folder / "manifest.jsonl"


def _natural(name: str) -> list[tuple[int, str]]:
    """A key for sorting: numbers by value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _entry(
    video: Path, note: dict[str, Any], prompt: str | None, fps: float | None, counts: Mapping[tuple[str, str], int]
) -> Entry:
    named, sample = split_name(video.stem)
    rate = frame_rate(video)  # in any case: what cannot be read is left out here
    cell, words = note.pop("cell"), note.pop("prompt", named if prompt is None else prompt)
    seed = note.pop("seed", counts.get((cell, words), 0) if sample is None else sample)
    noted = note.pop("fps", rate)
    return Entry(video, words, seed, cell, float(fps or noted), note.pop("metadata", {}) | note)


def _note(video: Path) -> dict[str, Any]:
    """What is noted beside a video."""
    path = video.with_suffix(".json")
    if not path.is_file():
        return {}
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} beside it is no JSON ({error})") from error
    if not isinstance(note, dict) or not isinstance(note.get("metadata", {}), dict):
        raise ValueError(f"{path.name} beside it is no object, or its metadata is none")  # noqa: TRY004
    for name, kinds in NOTED.items():
        if name in note and (not isinstance(note[name], kinds) or isinstance(note[name], bool)):
            raise ValueError(f"{path.name} beside it says {name} = {note[name]!r}")
    note.pop("video", None)
    return note


def _officially(entry: Entry, suite: Suite | None) -> Entry:
    """With what VBench knows about a video."""
    prompt, sample = split_name(entry.video.stem)
    if sample is None:
        raise ValueError("its name does not end in -<sample>, as VBench's do")
    known: dict[str, Any] = {"sample": sample}
    if suite:
        dimensions = suite.dimensions_of(prompt)
        if not dimensions:
            raise ValueError(f"{prompt!r} is no prompt of VBench")
        known["vbench"] = {"dimensions": list(dimensions), "auxiliary_info": dict(_auxiliary(prompt, suite))}
    return replace(entry, metadata={**entry.metadata, **known})


def _auxiliary(prompt: str, suite: Suite) -> Iterator[tuple[str, Any]]:
    for known in suite.prompts:
        if known.text == prompt:
            yield from known.auxiliary.items()
