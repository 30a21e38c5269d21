"""A manifest's videos in VBench's own layout: one folder, `<prompt>-<sample>.mp4`, nothing else in it."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evaluation.manifest import Entry
from evaluation.placing import line_of, link, put
from evaluation.vbench.names import SAMPLES, SUFFIX, check_names, official_name
from reward_forcing.video_folder import write_manifest
from reward_forcing.videos import ClipWriter


@dataclass(frozen=True)
class Sample:
    """A video and what VBench calls it."""

    entry: Entry
    prompt: str
    """The short one, of the suite."""
    number: int
    title: str = ""
    """What its file is called instead of the prompt."""

    @property
    def name(self) -> str:
        """Its file's name."""
        return official_name(self.title or self.prompt, self.number)

    def line(self, folder: Path) -> dict[str, Any]:
        """Its line in a manifest beside the exported videos."""
        known = {**self.entry.metadata, "official_prompt": self.prompt, "sample": self.number}
        return line_of(self.entry, folder) | {"video": f"videos/{self.name}", "metadata": known}


def cell_of(entries: Sequence[Entry], cell: str | None) -> list[Entry]:
    """The videos of one cell; it need not be named where there is only one.

    Raises:
        ValueError: there is no such cell, or several and none is named.
    """
    cells = list(dict.fromkeys(entry.cell for entry in entries))
    if cell is None and len(cells) > 1:
        raise ValueError(f"the manifest has several cells; name one (--cell): {', '.join(cells)}")
    chosen = cells[0] if cell is None else cell
    if chosen not in cells:
        raise ValueError(f"cell: {chosen!r} is not in the manifest; allowed: {', '.join(cells)}")
    return [entry for entry in entries if entry.cell == chosen]


def number(entries: Iterable[Entry], short: Mapping[str, str] | None = None, samples: int = SAMPLES) -> list[Sample]:
    """Official names of one cell's videos.

    Seeds 0 to samples - 1 keep their number; where a prompt has others, its seeds are numbered in their order.

    Args:
        entries: of one cell.
        short: short prompts by rewritten ones; `official_prompt` in a video's metadata goes first.
        samples: how many videos of a prompt VBench looks for.

    Raises:
        ValueError: a prompt has more videos than that.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[str(entry.metadata.get("official_prompt") or (short or {}).get(entry.prompt, entry.prompt))].append(
            entry
        )
    found = []
    for prompt, videos in groups.items():
        if len(videos) > samples:
            raise ValueError(
                f"{prompt!r} has {len(videos)} videos, of which VBench would see {samples}; leave some out, or allow "
                "more (--samples; 25 for the static filter of temporal flickering)"
            )
        videos.sort(key=lambda entry: entry.seed)
        seeds = [entry.seed for entry in videos]
        kept = len(set(seeds)) == len(seeds) and all(0 <= seed < samples for seed in seeds)
        found += [Sample(entry, prompt, entry.seed if kept else i) for i, entry in enumerate(videos)]
    return found


def export_official(samples: Sequence[Sample], folder: Path, *, encode: bool = False, portable: bool = True) -> Path:
    """Write `videos/` in VBench's layout and, beside it, a manifest with the true seeds; the path of the manifest.

    Args:
        samples: of one cell.
        folder: to write into.
        encode: other videos than MP4 are encoded again (H.264), which costs a little quality; else refused.
        portable: refuse names that differ only in case even where the file system tells them apart.

    Raises:
        ValueError: a name cannot be, a video is no MP4, or the folder holds other videos.
    """
    foreign = [sample.entry.video.name for sample in samples if sample.entry.video.suffix != SUFFIX]
    if foreign and not encode:
        raise ValueError(
            f"{foreign[0]} and {len(foreign) - 1} others are no MP4, and the official package reads nothing else; make "
            "them so (`generate --format mp4`), or have them encoded again (--encode), which costs a little quality"
        )
    target = folder / "videos"
    target.mkdir(parents=True, exist_ok=True)
    check_names([sample.name for sample in samples], case_sensitive=not portable and is_case_sensitive(target))
    rates = {sample.entry.video: sample.entry.fps for sample in samples}

    def bring(source: Path, to: Path) -> None:
        if source.suffix == to.suffix:
            link(source, to)
        else:
            encoded(source, to, rates[source])

    put(target, {sample.name: sample.entry.video for sample in samples}, bring)
    (folder / "manifest.jsonl").unlink(missing_ok=True)
    write_manifest(folder / "manifest.jsonl", [sample.line(folder) for sample in samples])
    return folder / "manifest.jsonl"


def is_case_sensitive(folder: Path) -> bool:
    """Whether a folder tells upper from lower case; asked of the file system itself."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".case") as probe:
        return not (folder / Path(probe.name).name.upper()).exists()


def encoded(source: Path, target: Path, fps: float) -> None:
    """Write a video as MP4, frame by frame.

    Raises:
        ValueError: it cannot be read, has no frames, or an odd number of rows or columns.
    """
    import av

    frame = None
    try:
        with av.open(str(source)) as container, ClipWriter(target, fps) as writer:
            for frame in container.decode(container.streams.video[0]):
                if frame.width % 2 or frame.height % 2:
                    raise ValueError(f"{source}: {frame.height} x {frame.width} pixels; MP4 needs even numbers")
                writer.write(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None])
    except (av.FFmpegError, OSError, IndexError) as error:
        raise ValueError(f"{source}: not a readable video ({error})") from error
    if frame is None:
        raise ValueError(f"{source}: the video has no frames")
