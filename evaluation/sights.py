"""Videos that are about to be judged: opened, known by size and length, grouped to pass by together."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from evaluation.baselines import baseline_clip, baselines_for
from evaluation.evidence import is_toy
from evaluation.manifest import Entry
from evaluation.provenance import digest
from evaluation.signals import PIECE, Asked
from evaluation.windows import WHOLES, Cut, cut
from reward_forcing.videos import Clip, Frames, Probe, probe, read_clip, read_pieces

VIDEOS_AT_ONCE: Final = 16
"""Of the toy world; others pass by one at a time."""

BASELINE_BYTES: Final = 2**30
"""A trivial baseline is made in memory, from as many first frames as this holds."""

BASELINE_VIDEOS: Final = 48
"""Baselines are made of so many of the reference's videos at most: they are means for orientation, not competitors."""

BROKEN: Final = (ValueError, RuntimeError, OSError)
"""What a video may do to those who look at it."""


@dataclass(frozen=True)
class Task:
    """One video to score: an entry's own, or a baseline made from it."""

    entry: Entry
    baseline: str
    """Name of the baseline; empty for the entry's own video."""
    fingerprint: str
    """Depends on everything the scores depend on, but for the instruments."""

    @property
    def cell(self) -> str:
        """The cell its record belongs to."""
        return self.baseline or self.entry.cell

    def path(self, folder: Path) -> str:
        """Of the video, relative to a folder; empty for a baseline."""
        return "" if self.baseline else os.path.relpath(self.entry.video, folder)


@dataclass(frozen=True)
class Failure:
    """A video without scores."""

    cell: str
    prompt: str
    seed: int
    video: str
    reason: str


@dataclass(frozen=True)
class Sight:
    """A task whose video can be opened: what will pass by."""

    task: Task
    asked: Asked
    size: tuple[int, int]
    notes: tuple[str, ...]
    pieces: Callable[[], Iterator[Frames]]

    @property
    def toy(self) -> bool:
        """Whether it is of the toy world."""
        return is_toy(self.task.entry.prompt, self.size)

    @property
    def kind(self) -> tuple[object, ...]:
        """Sights of one kind can pass by together."""
        return (self.asked.frames, self.asked.fps, self.size, self.toy)


def plan(entries: Sequence[Entry], reference: str, arithmetic: str) -> list[Task]:
    """What is to be scored: all videos, then baselines beside the first of the reference cell (none if it is empty)."""
    tasks = [_task(entry, "", arithmetic) for entry in entries]
    beside = [entry for entry in entries if entry.cell == reference][:BASELINE_VIDEOS]
    names = list(dict.fromkeys(name for entry in beside for name in baselines_for(entry.prompt)))
    return tasks + [_task(e, name, arithmetic) for name in names for e in beside if name in baselines_for(e.prompt)]


def _task(entry: Entry, baseline: str, arithmetic: str) -> Task:
    known = f"{digest(entry.video)} {entry.key} {entry.fps} {entry.metadata} {baseline} {arithmetic}"
    return Task(entry, baseline, hashlib.sha256(known.encode()).hexdigest()[:16])


def batches(tasks: Iterable[Task], how: Cut, give_up: Callable[[Task, Exception], None]) -> Iterator[list[Sight]]:
    """Open videos and put neighbours of one kind together; those that cannot be opened are given up."""
    for _, group in groupby(_sights(tasks, how, give_up), lambda sight: sight.kind):
        batch: list[Sight] = []
        for sight in group:
            batch.append(sight)
            if len(batch) == (VIDEOS_AT_ONCE if sight.toy else 1):
                yield batch
                batch = []
        if batch:
            yield batch


def _sights(tasks: Iterable[Task], how: Cut, give_up: Callable[[Task, Exception], None]) -> Iterator[Sight]:
    for task in tasks:
        try:
            yield sight_of(task, how)
        except BROKEN as error:
            give_up(task, error)


def sight_of(task: Task, how: Cut) -> Sight:
    """Open a task's video. Raises ValueError if it is none."""
    entry = task.entry
    found = probe(entry.video)
    frames, pieces = (
        _baseline(task, found) if task.baseline else (found.frames, partial(read_pieces, entry.video, PIECE))
    )
    windows = tuple((part.start, part.stop) for part in cut(frames, how) if part.name in WHOLES)
    asked = Asked((entry.prompt,), frames, entry.fps, windows)
    notes = () if task.baseline else notes_on(found, entry.fps)
    return Sight(task, asked, (found.height, found.width), notes, pieces)


def _baseline(task: Task, found: Probe) -> tuple[int, Callable[[], Iterator[Frames]]]:
    """How many frames a baseline has, and these."""
    first = read_clip(task.entry.video, max(1, BASELINE_BYTES // (3 * found.height * found.width)))
    made = baseline_clip(task.baseline, task.entry, Clip(first.frames, task.entry.fps)).frames
    return len(made), lambda: iter(made.split(PIECE))


def notes_on(found: Probe, fps: float) -> tuple[str, ...]:
    """What is odd about a video that should play `fps` frames a second."""
    notes = []
    if not found.steady:
        notes.append(f"its frames come at unequal times; judged as if at {fps:g} a second")
    elif found.fps and abs(found.fps - fps) > 0.02 * fps:
        notes.append(f"the file says {found.fps:.4g} frames a second; the manifest's {fps:g} count")
    if found.frames == 1:
        notes.append("a single frame: nothing that moves can be judged")
    return tuple(notes)
