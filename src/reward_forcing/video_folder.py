"""A folder of generated videos: names, previews and the manifest."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import torch
from jaxtyping import UInt8
from torch import Tensor

from reward_forcing.videos import Clip, ClipWriter, Frames, filmstrip, write_gif

GIF_FRAMES: Final = 240
"""Longest GIF; the clip itself has every frame."""

STRIP_PICTURES: Final = 12


@dataclass(frozen=True)
class Look:
    """How videos are played and shown.

    Args:
        fps: video frames a second when played.
        scale: enlargement of GIFs and filmstrips.

    Raises:
        ValueError: a number is not positive.
    """

    fps: float = 8
    scale: int = 4

    def __post_init__(self) -> None:
        for name in ("fps", "scale"):
            if getattr(self, name) <= 0:
                raise ValueError(f"generate: {name} is {getattr(self, name)}; it must be above 0")


class VideoBatch:
    """Writes videos that grow together, as their frames come; a context manager, memory constant in length.

    When it is closed, every video has a lossless clip, a GIF of its beginning and a filmstrip.

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
        self._stack = ExitStack()
        self._writers: list[ClipWriter] = []

    def __enter__(self) -> "VideoBatch":
        clips = [ClipWriter(Path(f"{stem}.mkv"), self.look.fps) for stem in self.stems]
        self._writers = [self._stack.enter_context(clip) for clip in clips]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self.frames:
            for stem, glimpse in zip(self.stems, self.glimpses, strict=True):
                glimpse.write(stem, self.look)

    def write(self, frames: UInt8[Tensor, "video frame 3 height width"]) -> None:
        """Append frames to all videos."""
        for writer, glimpse, video in zip(self._writers, self.glimpses, frames, strict=True):
            writer.write(video)
            glimpse.add(video)
        self.frames += frames.shape[1]

    def lines(self, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The videos' lines of a manifest."""
        return [
            {
                "video": f"videos/{stem.name}.mkv",
                "prompt": prompt,
                "seed": seed,
                "cell": self.cell,
                "fps": self.look.fps,
                "metadata": {"frames": self.frames, **metadata},
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
            if len(self.beginning) < GIF_FRAMES:
                self.beginning.append(frame)
            if self.seen % self.stride == 0:
                self.kept.append(frame)
            self.seen += 1
            if len(self.kept) > 2 * STRIP_PICTURES:
                self.kept, self.stride = self.kept[::2], 2 * self.stride

    def write(self, stem: Path, look: Look) -> None:
        """Write `stem.gif` and `stem.png`."""
        write_gif(Path(f"{stem}.gif"), Clip(torch.stack(self.beginning), look.fps), look.scale)
        few = self.kept[:: -(-len(self.kept) // STRIP_PICTURES)]
        stride = self.stride * -(-len(self.kept) // STRIP_PICTURES)
        filmstrip(Clip(torch.stack(few), look.fps / stride), range(len(few)), look.scale).save(Path(f"{stem}.png"))


def video_name(cell: str, prompt: str, seed: int) -> str:
    """A file name that tells what it is; long prompts are cut, and told apart by a digest."""
    spaced = f"{cell}--{prompt}".replace(" ", "_")
    plain = re.sub(r"[^A-Za-z0-9_=.-]", "-", spaced)
    lossy = len(plain) > 80 or plain != spaced or "_" in prompt
    digest = f"-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}" if lossy else ""
    return f"{plain[:80]}{digest}-seed{seed}"


def write_manifest(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add lines; those of other cells, prompts and seeds stay."""
    made = {_key(line) for line in lines}
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in before if line.strip() and _key(json.loads(line)) not in made]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*kept, *(json.dumps(line) for line in lines)]) + "\n", encoding="utf-8")


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a video from all others of a manifest."""
    return line["cell"], line["prompt"], line["seed"]
