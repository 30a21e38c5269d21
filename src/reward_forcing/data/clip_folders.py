"""Folders of videos with captions, as shards of latents. Clips that cannot be used are listed, with the reason."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.data.manifest import write_whole
from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.videos import Frames, to_float

ENDINGS: Final = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".gif")
CAPTIONS: Final = "captions.jsonl"
SCAN: Final = "scan.jsonl"
SKIPPED: Final = "skipped.jsonl"


@dataclass(frozen=True, kw_only=True)
class Form:
    """What every clip is brought into.

    Args:
        frames: video frames taken from the beginning of a clip.
        height: rows of pixels.
        width: columns; clips are resized and their centre is cut out, the aspect kept.
        fps: video frames a second, those nearest in time; None: the clip's own frames, one after the other.

    Raises:
        ValueError: a number is not positive.
    """

    frames: int = 81
    height: int = 480
    width: int = 832
    fps: float | None = 16.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise ValueError(f"data.shards: {name} is {value}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A clip as it was found: where, with which caption, and what is wrong with it (nothing: it is used)."""

    file: str
    caption: str
    size: int
    changed: int
    fault: str = ""
    enlarged: bool = False


def gather(source: Path, folder: Path, *, codec: LatentCodec, form: Form, label: str) -> str:
    """Encode a folder of clips: `reward-forcing data shards`. They get `latents.npy`, `caption.txt`, `clip.json`.

    Captions stand in `captions.jsonl` (lines {"file": ..., "caption": ...}) or in a .txt file beside each clip. What a
    first look at the clips found stands in `scan.jsonl` of the folder; an interrupted run goes on where it stopped.

    Args:
        source: folder of clips, nested as one likes.
        folder: to write into.
        codec: encodes the pixels.
        form: of every clip.
        label: which codec it is; it becomes part of the shards' origin.

    Returns:
        What was written, how many clips were skipped and why, and what to do next.

    Raises:
        ValueError: there are no usable clips, the codec has no clips of so many frames, the captions cannot be read, or
            the folder holds something else.
    """
    require_frames(codec, form.frames)
    entries = scan(source, folder, form)
    used = [entry for entry in entries if not entry.fault]
    skipped = [{"file": entry.file, "reason": entry.fault} for entry in entries if entry.fault]
    write_whole(folder / SKIPPED, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in skipped))
    if not used:
        raise ValueError(
            f"data.shards: none of the {len(entries)} clips in {source} can be used; see {folder / SKIPPED}"
        )

    def samples(numbers: range) -> Iterator[Sample]:
        for entry in used[numbers.start : numbers.stop]:
            frames = sampled(source / entry.file, form)
            about = {"file": entry.file, "fps": form.fps}
            yield {"latents.npy": latents_of(codec, frames), "caption.txt": entry.caption, "clip.json": about}

    known = hashlib.sha256(json.dumps([asdict(entry) for entry in used]).encode()).hexdigest()[:16]
    origin = {"kind": "clips", "source": source.name, "clips": known, "codec": label, **asdict(form)}
    write_shards(folder, samples, clips=len(used), origin=origin, clips_per_shard=64)
    return closing(folder, used, skipped)


def closing(folder: Path, used: list[Entry], skipped: list[dict[str, str]]) -> str:
    """What became of the clips, in a few lines."""
    lines = [f"{folder}: {len(used)} clips encoded, {len(skipped)} skipped"]
    if skipped:
        lines[0] += f" (why: {folder / SKIPPED}; first: {skipped[0]['file']}: {skipped[0]['reason']})"
    enlarged = sum(entry.enlarged for entry in used)
    if enlarged:
        lines.append(f"warning: {enlarged} clips are smaller than asked for and were enlarged; they will look soft")
    lines.append(
        f"next: reward-forcing train data=clips data.content.source.path={folder}; "
        f"for Wan, captions first: reward-forcing data embed PROMPTS"
    )
    return "\n".join(lines)


def require_frames(codec: LatentCodec, frames: int) -> None:
    """Raise ValueError unless some number of latents makes a clip of that many video frames."""
    lengths = [codec.video_frames(count) for count in range(1, frames + 2)]
    if frames not in lengths:
        below, above = next(pair for pair in pairwise([0, *lengths]) if pair[0] < frames < pair[1])
        allowed = f"{below} or {above}" if below else f"{above} or more"
        raise ValueError(f"data.shards: frames is {frames}; the nearest that the codec has are {allowed}")


@torch.no_grad()
def latents_of(codec: LatentCodec, frames: Frames) -> np.ndarray:
    """The latents [frame, channel, height, width] of a clip, fp16."""
    return codec.encode(to_float(frames[None]))[0].half().cpu().numpy()


def scan(source: Path, folder: Path, form: Form) -> list[Entry]:
    """Look at every clip once; what an earlier run has seen and what has not changed since is not looked at again."""
    seen = {(entry.file, entry.caption, entry.size, entry.changed): entry for entry in _remembered(folder, form)}
    found = list(find_clips(source))
    if not found:
        raise ValueError(
            f"data.shards: there are no clips in {source}; files ending in {', '.join(ENDINGS)} are looked for"
        )
    entries = []
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SCAN).open("w", encoding="utf-8") as lines:
        lines.write(json.dumps({"form": asdict(form)}) + "\n")
        for entry in track(found, f"Looking at {source}", console=Console(stderr=True)):
            looked = seen.get((entry.file, entry.caption, entry.size, entry.changed)) or look_at(source, entry, form)
            entries.append(looked)
            lines.write(json.dumps(asdict(looked), ensure_ascii=False) + "\n")
            lines.flush()
    return entries


def find_clips(source: Path) -> Iterator[Entry]:
    """Every clip of a folder in alphabetical order, not yet looked into.

    Raises:
        ValueError: the folder is not there, or `captions.jsonl` cannot be read.
    """
    if not source.is_dir():
        raise ValueError(f"data.shards: {source} is not a folder; give a folder of clips and captions")
    captions = read_captions(source / CAPTIONS)
    for path in sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()):
        name, about = path.relative_to(source).as_posix(), path.stat()
        caption = captions.pop(name, None)
        beside = path.with_suffix(".txt")
        if caption is None and beside.is_file():
            caption = beside.read_text("utf-8", "replace").strip()
        fault = "" if caption else f"no caption: neither in {CAPTIONS} nor in {beside.name}"
        yield Entry(file=name, caption=caption or "", size=about.st_size, changed=about.st_mtime_ns, fault=fault)
    for name, caption in captions.items():
        yield Entry(file=name, caption=caption, size=0, changed=0, fault=f"in {CAPTIONS}, but there is no such clip")


def read_captions(path: Path) -> dict[str, str]:
    """Captions by file name; none when there is no such list. Raises ValueError naming a bad line."""
    captions: dict[str, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines() if path.is_file() else [], start=1):
        try:
            record = json.loads(line)
            name, caption = Path(record["file"]).as_posix(), record["caption"].strip()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f'data.shards: {path}, line {number} is not {{"file": "...", "caption": "..."}}'
            ) from error
        if name in captions:
            raise ValueError(f"data.shards: {path}, line {number} names {name} again; delete one")
        captions[name] = caption
    return captions


def look_at(source: Path, entry: Entry, form: Form) -> Entry:
    """The entry with what is wrong with the clip, if anything is."""
    if entry.fault:
        return entry
    try:
        small = [frame.height < form.height or frame.width < form.width for frame in chosen(source / entry.file, form)]
    except ValueError as error:
        return replace(entry, fault=str(error).removeprefix(f"{source / entry.file}: "))
    return replace(entry, enlarged=any(small))


def sampled(path: Path, form: Form) -> Frames:
    """The frames of a clip in the given form. Raises ValueError when the file cannot be read or is too short."""
    size, resample = (form.width, form.height), Image.Resampling.LANCZOS
    arrays = [np.asarray(ImageOps.fit(frame.to_image(), size, resample)) for frame in chosen(path, form)]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def chosen(path: Path, form: Form) -> Iterator[Any]:
    """PyAV's frames that a form takes. Raises ValueError when the file cannot be read or is too short."""
    import av

    count = 0
    try:
        with av.open(str(path)) as container:
            for frame in nearest(container.decode(container.streams.video[0]), form.fps, form.frames):
                count += 1
                yield frame
    except (av.FFmpegError, OSError, IndexError) as error:
        raise ValueError(f"{path}: not a readable video ({error})") from error
    if count < form.frames:
        rate = f" at {form.fps:g} frames/s" if form.fps else ""
        raise ValueError(f"{path}: too short: {count} of {form.frames} frames{rate}")


def nearest(frames: Iterable[Any], fps: float | None, count: int) -> Iterator[Any]:
    """The frames nearest to the times 0, 1 / fps, 2 / fps, ... since the first one, at most `count`; None: the first.

    The last frame stands for times up to half a frame after it. Frames need an attribute `time` in seconds.
    """
    yield from islice(frames if fps is None else _resampled(frames, fps), count)


def _resampled(frames: Iterable[Any], fps: float) -> Iterator[Any]:
    """Without end, as far as the frames reach."""
    stream = iter(frames)
    before = next(stream, None)
    if before is None:
        return
    start, gap, given = before.time, 0.0, 0
    for frame in stream:
        gap = frame.time - before.time
        while given / fps < frame.time - start - gap / 2:
            yield before
            given += 1
        before = frame
    while given / fps <= before.time - start + gap / 2:
        yield before
        given += 1


def _remembered(folder: Path, form: Form) -> Iterator[Entry]:
    """What an earlier run found for the same form; the last line may be cut off."""
    path = folder / SCAN
    records: list[Mapping[str, Any]] = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    if records[:1] == [{"form": asdict(form)}]:
        yield from (Entry(**record) for record in records[1:])
