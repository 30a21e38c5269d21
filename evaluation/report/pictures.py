"""Which videos a report shows, and how they travel inside one file."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from evaluation.baselines import TRUTH, truth
from evaluation.evidence import is_toy
from evaluation.summary import Summary
from evaluation.table import Record
from reward_forcing.videos import Clip, ClipWriter, Frames, pictures, read_clip, spread

FIRST: Final = 2
"""So many prompts are shown because they come first."""
STRIP_FRAMES: Final = 9
GAP: Final = 1
"""White columns after every frame of a strip."""
MOVING_FRAMES: Final = 480
"""Longer films keep every n-th frame, at the same pace."""
LEAST_SIDE: Final = 128
"""Pixels: smaller films are enlarged."""
LARGEST_SIDE: Final = 160
"""Pixels: larger videos are shown smaller."""


@dataclass(frozen=True)
class Choice:
    """Videos of all cells under one prompt and from one noise."""

    prompt: str
    seed: int
    why: str


@dataclass(frozen=True)
class Strip:
    """One video as pictures in a page."""

    cell: str
    still: str
    """Data address of frames side by side."""
    moving: str
    """Data address of the film."""


@dataclass(frozen=True)
class Show:
    """What is shown of one choice: a strip for every cell, all at the same times."""

    choice: Choice
    seconds: tuple[float, ...]
    strips: tuple[Strip, ...]


def choose_videos(records: Sequence[Record], summary: Summary) -> list[Choice]:
    """The first prompts, then the largest win and the largest loss of the first compared cell; never by looking."""
    shared = _shared(records, [cell for cell in summary.cells if cell not in summary.other_length])
    chosen = {pair: f"number {i + 1} of the list" for i, pair in enumerate(shared[:FIRST])}
    others = [cell for cell in summary.cells if cell not in (summary.reference, *summary.other_length)]
    if others and summary.primary:
        metric, window = summary.primary[0]
        gains = _gains(records, shared, (others[0], summary.reference), (metric, window))
        where = f"{others[0]} - {summary.reference}, {metric}"
        for pair, word in ((max(gains, key=_value), "largest"), (min(gains, key=_value), "smallest")) if gains else ():
            chosen.setdefault(pair[0], f"{word} difference {where}: {pair[1]:+.2f}")
    return [Choice(prompt, seed, why) for (prompt, seed), why in chosen.items()]


def _value(pair: tuple[tuple[str, int], float]) -> float:
    return pair[1]


def _shared(records: Sequence[Record], cells: Sequence[str]) -> list[tuple[str, int]]:
    """Prompt and seed of the videos that all cells have, in order."""
    of_cell = [[(r.prompt, r.seed) for r in records if r.cell == cell] for cell in cells]
    common = set(of_cell[0]).intersection(*of_cell)
    return [pair for pair in of_cell[0] if pair in common]


def _gains(
    records: Sequence[Record], shared: Sequence[tuple[str, int]], cells: tuple[str, str], column: tuple[str, str]
) -> list[tuple[tuple[str, int], float]]:
    scores = {(r.cell, r.prompt, r.seed): r.score(*column) for r in records}
    gains = [(pair, scores[cells[0], *pair] - scores[cells[1], *pair]) for pair in shared]
    return [(pair, gain) for pair, gain in gains if not np.isnan(gain)]


def show(choice: Choice, records: Sequence[Record], folder: Path) -> Show | None:
    """Pictures of a choice; videos that are not there (any more) are left out, None if all are."""
    clips = {}
    for r in records:
        path = folder / r.video
        if not r.baseline and (r.prompt, r.seed) == (choice.prompt, choice.seed) and path.is_file():
            clips[r.cell] = Clip(read_clip(path).frames, r.fps)
    if not clips:
        return None
    first = next(iter(clips.values()))
    if is_toy(choice.prompt, first.frames.shape[-2:]):
        clips[TRUTH] = Clip(truth(choice.prompt, choice.seed, len(first.frames)), first.fps)
    at = spread(max(len(clip.frames) for clip in clips.values()), STRIP_FRAMES)
    strips = tuple(Strip(cell, still(frames_at(clip.frames, at)), moving(clip)) for cell, clip in clips.items())
    return Show(choice, tuple(index / first.fps for index in at), strips)


def frames_at(frames: Frames, at: Sequence[int]) -> Frames:
    """The frames of these indices; white ones after the end."""
    white = torch.full_like(frames[:1], 255)
    return torch.cat([frames[index : index + 1] if index < len(frames) else white for index in at])


def still(frames: Frames) -> str:
    """Frames side by side, as the data address of a PNG."""
    apart = torch.nn.functional.pad(fit(frames), (0, GAP), value=255)
    (row,) = pictures(torch.cat(list(apart), 2)[None])
    buffer = io.BytesIO()
    row.save(buffer, "PNG")
    return address(buffer.getvalue(), "png")


def moving(clip: Clip) -> str:
    """A film that browsers play, as the data address of an MP4; small frames are enlarged, long films skip frames."""
    step = -(-len(clip.frames) // MOVING_FRAMES)
    frames = fit(clip.frames[::step])
    scale = -(-LEAST_SIDE // max(frames.shape[-2:]))
    large = frames.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    even = torch.nn.functional.pad(large, (0, large.shape[3] % 2, 0, large.shape[2] % 2), mode="replicate")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with ClipWriter(path, clip.fps / step) as writer:
            writer.write(even)
        return address(path.read_bytes(), "mp4", "video")


def fit(frames: Frames) -> Frames:
    """The same frames, smaller if they are large: every n-th pixel."""
    step = -(-max(frames.shape[-2:]) // LARGEST_SIDE)
    return frames[:, :, ::step, ::step]


def address(content: bytes, kind: str, medium: str = "image") -> str:
    """A picture or film as an address that carries it."""
    return f"data:{medium}/{kind};base64,{base64.b64encode(content).decode()}"
