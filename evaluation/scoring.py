"""From tasks to records: videos pass by once, in batches, whatever their length; what is scored is kept at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from evaluation.evidence import Evidence, observe
from evaluation.instruments import Equipment
from evaluation.measure import Measure
from evaluation.sights import BROKEN, Failure, Sight, Task, batches
from evaluation.store import Store
from evaluation.table import Record
from evaluation.windows import WHOLES, Cut, Window, cut


@dataclass(frozen=True)
class Rules:
    """How videos are scored."""

    measures: Mapping[str, Measure]
    """Metrics whose instruments are at hand."""
    how: Cut
    equipment: Equipment

    @property
    def marks(self) -> dict[str, str]:
        """Of every metric, which weights it is taken with."""
        return {name: self.equipment.mark(measure.needs) for name, measure in self.measures.items()}

    def only(self, names: Sequence[str]) -> "Rules":
        """The same rules for some of the metrics."""
        return replace(self, measures={name: self.measures[name] for name in names})


def score_all(
    tasks: Sequence[Task], rules: Rules, store: Store, advance: Callable[[int, str], None]
) -> tuple[list[Record], list[Failure]]:
    """Records of all tasks that can be scored, in their order; only what is missing in the store is measured.

    Args:
        tasks: the videos.
        rules: how to score.
        store: scores by task, grows with every batch.
        advance: is told how many videos are left, and what comes next.
    """
    failures: list[Failure] = []

    def give_up(task: Task, error: Exception) -> None:
        words = str(error).replace(str(task.entry.video), task.entry.video.name) or type(error).__name__
        entry = task.entry
        failures.append(Failure(task.cell, entry.prompt, entry.seed, task.path(store.folder), words))

    marks = rules.marks
    todo = [task for task in tasks if store.lacks(task.fingerprint, marks)]
    left = len(todo)
    for sights in batches(todo, rules.how, give_up):
        advance(left, f"{sights[0].task.cell}: {sights[0].task.entry.prompt}")
        known = [sight.task.fingerprint for sight in sights]
        lacking = [name for name in marks if any(store.lacks(one, {name: marks[name]}) for one in known)]
        for task, record in _scored(sights, rules.only(lacking), store.folder, give_up):
            store.add(task.fingerprint, record, {name: marks[name] for name in lacking})
        store.flush()
        left -= len(sights)
    found = [store.record(task.fingerprint, marks) for task in tasks]
    return [record for record in found if record is not None], failures


def _scored(
    sights: Sequence[Sight], rules: Rules, folder: Path, give_up: Callable[[Task, Exception], None]
) -> list[tuple[Task, Record]]:
    """Score videos together; if that fails, each alone, so that one does not take others with it."""
    try:
        return list(zip([sight.task for sight in sights], score(sights, rules, folder), strict=True))
    except BROKEN as error:
        if len(sights) == 1:
            give_up(sights[0].task, error)
            return []
        return [pair for sight in sights for pair in _scored([sight], rules, folder, give_up)]


def score(sights: Sequence[Sight], rules: Rules, folder: Path) -> list[Record]:
    """Score videos of one kind with all metrics, in all windows; `folder` is what paths are relative to."""
    first = sights[0]
    usable = {name: m for name, m in rules.measures.items() if first.toy or m.kind == "any"}
    entries = [sight.task.entry for sight in sights]
    prompts, details = (tuple(getattr(entry, name) for entry in entries) for name in ("prompt", "metadata"))
    asked = replace(first.asked, prompts=prompts, details=details)
    instruments = rules.equipment.only(need for measure in usable.values() for need in measure.needs)
    pieces = (torch.stack(parts) for parts in zip(*(sight.pieces() for sight in sights), strict=True))
    with torch.inference_mode():
        evidence = observe(pieces, asked, instruments)
        windows = cut(asked.frames, rules.how)
        table = {name: in_windows(measure, evidence, windows) for name, measure in usable.items()}
    return [
        Record(
            cell=sight.task.cell,
            prompt=sight.task.entry.prompt,
            seed=sight.task.entry.seed,
            video=sight.task.path(folder),
            fps=asked.fps,
            frames=asked.frames,
            baseline=bool(sight.task.baseline),
            windows=windows,
            scores={name: tuple(rows[i].tolist()) for name, rows in table.items()},
            metadata={} if sight.task.baseline else sight.task.entry.metadata,
            notes=(*sight.notes, *evidence.notes),
        )
        for i, sight in enumerate(sights)
    ]


def in_windows(measure: Measure, evidence: Evidence, windows: Sequence[Window]) -> Tensor:
    """Scores [clip, window]; NaN in parts of the video for metrics of whole videos."""
    nothing = torch.full((len(evidence.prompts),), torch.nan)
    rows = [
        measure(evidence.between(part.start, part.stop))
        if measure.scope == "window" or part.name in WHOLES
        else nothing
        for part in windows
    ]
    return torch.stack(rows, 1)
