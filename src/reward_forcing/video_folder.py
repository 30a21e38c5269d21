"""A folder of generated videos: names, previews and the manifest."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from reward_forcing.videos import Clip, ClipWriter, Frames, filmstrip, write_gif

GIF_FRAMES: Final = 240
"""Longest GIF; the clip itself has every frame."""

STRIP_PICTURES: Final = 12
SMALL_HEIGHT: Final = 128
"""Pixels up to which videos are stored without loss and shown enlarged."""

PREVIEW_HEIGHT: Final = 120
"""Pixels of the previews of larger videos."""


@dataclass(frozen=True)
class Look:
    """How videos are played and shown.

    Args:
        fps: video frames a second when played; 0: as the network notes.
        scale: enlargement of GIFs and filmstrips of small videos; large ones are shown smaller.
        format: of the clips; None: lossless Matroska for small videos, MP4 for large ones.
        previews: whether there are GIFs and filmstrips, which take longer than streaming a small video.

    Raises:
        ValueError: a number is not positive.
    """

    fps: float = 8
    scale: int = 4
    format: Literal["mkv", "mp4"] | None = None
    previews: bool = True

    def __post_init__(self) -> None:
        for name, least in (("fps", 0), ("scale", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"generate: {name} is {getattr(self, name)}; it must be at least {least}")

    def suffix(self, height: int) -> str:
        """The ending of clips of a height in pixels."""
        return f".{self.format or ('mp4' if height > SMALL_HEIGHT else 'mkv')}"


class VideoBatch:
    """Writes videos that grow together, as their frames come; a context manager, memory constant in length.

    When it is closed, every video has a clip, and where that is wanted a GIF of its beginning and a filmstrip.

    Args:
        folder: gets `videos/`.
        cell: what the videos are to be compared as.
        videos: prompt and seed of each.
        look: how they are played and shown.
    """

    def __init__(self, folder: Path, cell: str, videos: Sequence[tuple[str, int]], look: Look) -> None:
        self.folder, self.cell, self.videos, self.look = folder, cell, videos, look
        self.stems = [folder / "videos" / video_name(cell, prompt, seed) for prompt, seed in videos]
        self.glimpses = [Glimpses() for _ in videos]
        self.frames = 0
        self.chunks: list[int] = []
        self.suffix = ""
        self._stack = ExitStack()
        self._writers: list[ClipWriter] = []
        self._aside: list[Path] = []

    def __enter__(self) -> "VideoBatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        for aside, stem, glimpse in zip(self._aside, self.stems, self.glimpses, strict=False):
            if kind is None:
                aside.replace(Path(f"{stem}{self.suffix}"))
                if self.look.previews:
                    glimpse.write(stem, self.look)

    def write(self, frames: UInt8[Tensor, "video frame 3 height width"]) -> None:
        """Append frames to all videos."""
        if not self._writers:
            self._begin(frames.shape[-2])
        for writer, glimpse, video in zip(self._writers, self.glimpses, frames, strict=True):
            writer.write(video)
            glimpse.add(video)
        self.frames += frames.shape[1]
        self.chunks = [*self.chunks, frames.shape[1]][:2]

    def _begin(self, height: int) -> None:
        """Open the clips, under other names until they are whole."""
        self.suffix = self.look.suffix(height)
        self._aside = [stem.with_name(f".{stem.name}.partial{self.suffix}") for stem in self.stems]
        self._writers = [self._stack.enter_context(ClipWriter(path, self.look.fps)) for path in self._aside]

    def lines(self, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The videos' lines of a manifest."""
        return [
            {
                "video": f"videos/{stem.name}{self.suffix}",
                "prompt": prompt,
                "seed": seed,
                "cell": self.cell,
                "fps": self.look.fps,
                "metadata": {"frames": self.frames, "chunks": [self.chunks[0], self.chunks[-1]], **metadata},
            }
            for stem, (prompt, seed) in zip(self.stems, self.videos, strict=True)
        ]


class Glimpses:
    """A bounded number of frames spread over a video of any length, and its beginning."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []
        self.beginning: list[torch.Tensor] = []
        self.stride, self.seen = 1, 0

    def add(self, frames: Frames) -> None:
        """Look at more frames."""
        for frame in frames:
            shown = small(frame)
            if len(self.beginning) < GIF_FRAMES:
                self.beginning.append(shown)
            if self.seen % self.stride == 0:
                self.kept.append(shown)
            self.seen += 1
            if len(self.kept) > 2 * STRIP_PICTURES:
                self.kept, self.stride = self.kept[::2], 2 * self.stride

    def write(self, stem: Path, look: Look) -> None:
        """Write `stem.gif` and `stem.png`."""
        scale = look.scale if self.beginning[0].shape[-2] < PREVIEW_HEIGHT else 1
        write_gif(Path(f"{stem}.gif"), Clip(torch.stack(self.beginning), look.fps), scale)
        few = self.kept[:: -(-len(self.kept) // STRIP_PICTURES)]
        stride = self.stride * -(-len(self.kept) // STRIP_PICTURES)
        filmstrip(Clip(torch.stack(few), look.fps / stride), range(len(few)), scale).save(Path(f"{stem}.png"))


def small(frame: UInt8[Tensor, "3 height width"]) -> UInt8[Tensor, "3 preview_height preview_width"]:
    """A frame as previews show it: a large one is reduced."""
    height, width = frame.shape[-2:]
    if height <= SMALL_HEIGHT:
        return frame
    size = (PREVIEW_HEIGHT, round(width * PREVIEW_HEIGHT / height))
    reduced = torch.nn.functional.interpolate(frame[None].float(), size=size, mode="bilinear", antialias=True)
    return reduced[0].round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class VideoFolder:
    """The videos of a cell in a folder, and what is noted about them.

    Args:
        folder: holds `videos/` and `manifest.jsonl`.
        cell: what the videos are compared as.
    """

    folder: Path
    cell: str

    def add(self, lines: Sequence[Mapping[str, Any]], told: Mapping[str, Any] | None = None) -> None:
        """Note finished videos: a line of the manifest each, and beside each video the same and what else is told."""
        for line in lines:
            note = (self.folder / line["video"]).with_suffix(".json")
            note.write_text(json.dumps({**line, **(told or {})}, indent=1, ensure_ascii=False), encoding="utf-8")
        write_manifest(self.folder / "manifest.jsonl", lines)

    def finished(self, settings: str) -> set[tuple[str, int]]:
        """Prompt and seed of the videos that are there and were made with the same settings."""
        path = self.folder / "manifest.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        noted = [json.loads(line) for line in lines if line.strip()]
        return {
            (line["prompt"], line["seed"])
            for line in noted
            if line["cell"] == self.cell
            and line["metadata"].get("settings") == settings
            and (self.folder / line["video"]).is_file()
        }


def settings_digest(settings: Mapping[str, Any]) -> str:
    """A short name for everything that a video depends on besides its prompt and seed."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def video_name(cell: str, prompt: str, seed: int) -> str:
    """A file name that tells what it is; long prompts are cut, and told apart by a digest."""
    spaced = f"{cell}--{prompt}".replace(" ", "_")
    plain = re.sub(r"[^A-Za-z0-9_=.-]", "-", spaced)
    lossy = len(plain) > 80 or plain != spaced or "_" in prompt
    digest = f"-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}" if lossy else ""
    return f"{plain[:80]}{digest}-seed{seed}"


def write_manifest(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add lines; those of other cells, prompts and seeds stay. The file is replaced whole: nothing in it is lost."""
    made = {_key(line) for line in lines}
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in before if line.strip() and _key(json.loads(line)) not in made]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text("\n".join([*kept, *(json.dumps(line) for line in lines)]) + "\n", encoding="utf-8")
    aside.replace(path)


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a video from all others of a manifest."""
    return line["cell"], line["prompt"], line["seed"]
