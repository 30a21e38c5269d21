"""Score the videos of a manifest. Interrupted and run again, it goes on where it was."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import Progress

from evaluation.baselines import FROZEN, TRUTH, baseline_clip
from evaluation.evidence import is_toy, look
from evaluation.manifest import Entry, read_manifest
from evaluation.measure import Measure, choose
from evaluation.provenance import arithmetic_digest, digest, shared_metadata, versions
from evaluation.statistics import RESAMPLES
from evaluation.summary import Summary, check_reference, summarise
from evaluation.table import Record, from_json, plain, to_json, write_json, write_tables
from evaluation.windows import Cut, cut
from reward_forcing.videos import Clip, read_clip

SCHEMA: Final = "reward-forcing/metrics/1"
SCORES: Final = "scores.jsonl"
VIDEOS_AT_ONCE: Final = 16


@dataclass(frozen=True)
class Task:
    """One video to score: an entry's own, or a baseline made from it."""

    entry: Entry
    baseline: str
    """Name of the baseline; empty for the entry's own video."""
    fingerprint: str
    """Depends on everything the scores depend on."""

    @property
    def cell(self) -> str:
        """The cell its record belongs to."""
        return self.baseline or self.entry.cell


def evaluate(
    manifest: Path,
    out: Path | None = None,
    *,
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    baselines: bool = True,
    how: Cut | None = None,
    progress: bool = True,
) -> Path:
    """Score every video of a manifest and summarise.

    Writes `scores.jsonl` (grows video by video; what is in it is not scored again unless the video or the arithmetic
    changed), `metrics.json`, `per_video.csv` and `per_window.csv`.

    Args:
        manifest: the list of videos.
        out: folder to write to; the manifest's by default.
        reference: the cell that others are compared with; the manifest's first by default.
        metrics: names of metrics; all by default. Those of the toy world are left out for other videos.
        baselines: whether the truth (toy world only) and the reference's first frames, frozen, are scored too.
        how: how videos are cut into windows.
        progress: whether a bar is shown.

    Returns:
        The path of `metrics.json`.

    Raises:
        ValueError: the manifest is wrong, a video cannot be read, or a metric or the reference cell is unknown.
    """
    entries, measures, how = read_manifest(manifest), choose(metrics), how or Cut()
    out = manifest.parent if out is None else out
    reference = check_reference(reference, dict.fromkeys(entry.cell for entry in entries))
    tasks = plan(entries, reference if baselines else "", f"{sorted(measures)} {how} {arithmetic_digest()}")
    records = score_all(tasks, measures, how, out / SCORES, progress=progress)
    summary = summarise(records, measures, reference)
    write_tables(out, records)
    write_json(out / "metrics.json", content(records, summary, measures, how, manifest=manifest))
    return out / "metrics.json"


def plan(entries: Sequence[Entry], reference: str, arithmetic: str) -> list[Task]:
    """What is to be scored: all videos, then baselines beside those of the reference cell (none if it is empty)."""
    tasks = [_task(entry, "", arithmetic) for entry in entries]
    for entry in (entry for entry in entries if entry.cell == reference):
        tasks += [_task(entry, name, arithmetic) for name in (TRUTH, FROZEN) if name == FROZEN or is_toy(entry.prompt)]
    return sorted(tasks, key=lambda task: (TRUTH, FROZEN).index(task.baseline) if task.baseline else -1)


def _task(entry: Entry, baseline: str, arithmetic: str) -> Task:
    known = f"{digest(entry.video)} {entry.key} {entry.fps} {entry.metadata} {baseline} {arithmetic}"
    return Task(entry, baseline, hashlib.sha256(known.encode()).hexdigest()[:16])


def score_all(
    tasks: Sequence[Task], measures: Mapping[str, Measure], how: Cut, store: Path, *, progress: bool
) -> list[Record]:
    """Records of all tasks, in their order; those missing in `store` are scored and appended to it."""
    done = dict(read_scores(store))
    todo = [task for task in tasks if task.fingerprint not in done]
    store.parent.mkdir(parents=True, exist_ok=True)
    with Progress(disable=not progress, transient=True) as bar, store.open("a", encoding="utf-8") as file:
        file.write(torn_line(store))
        shown = bar.add_task("Scoring videos", total=len(tasks), completed=len(tasks) - len(todo))
        for some, clips in batches(todo):
            for task, record in zip(some, score(some, clips, measures, how, store.parent), strict=True):
                known = to_json(record)
                done[task.fingerprint] = from_json(known)  # rounded, as it will be read back
                file.write(json.dumps({"fingerprint": task.fingerprint, **known}, allow_nan=False) + "\n")
            file.flush()
            bar.advance(shown, len(some))
    return [done[task.fingerprint] for task in tasks]


def read_scores(store: Path) -> Iterator[tuple[str, Record]]:
    """What was scored before, by fingerprint; a last line that an interruption cut short is skipped."""
    for line in store.read_text(encoding="utf-8").splitlines() if store.is_file() else ():
        try:
            known = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield known.pop("fingerprint"), from_json(known)


def torn_line(store: Path) -> str:
    """The line end that is missing where an interruption cut a line short."""
    return "" if not store.stat().st_size or store.read_bytes().endswith(b"\n") else "\n"


def batches(tasks: Iterable[Task]) -> Iterator[tuple[list[Task], list[Clip]]]:
    """Read videos in batches of neighbours with one size and one kind of prompt."""
    clips = ((task, load(task)) for task in tasks)
    for _, group in groupby(clips, lambda pair: (pair[1].frames.shape, is_toy(pair[0].entry.prompt))):
        batch: list[tuple[Task, Clip]] = []
        for pair in group:
            batch.append(pair)
            if len(batch) == VIDEOS_AT_ONCE:
                yield [task for task, _ in batch], [clip for _, clip in batch]
                batch = []
        if batch:
            yield [task for task, _ in batch], [clip for _, clip in batch]


def load(task: Task) -> Clip:
    """The video of a task."""
    clip = Clip(read_clip(task.entry.video).frames, task.entry.fps)
    return baseline_clip(task.baseline, task.entry, clip) if task.baseline else clip


def score(
    tasks: Sequence[Task], clips: Sequence[Clip], measures: Mapping[str, Measure], how: Cut, folder: Path
) -> list[Record]:
    """Score videos of one length and kind with all metrics, in all windows; `folder` is what paths are relative to."""
    evidence = look(torch.stack([clip.frames for clip in clips]), [task.entry.prompt for task in tasks])
    windows = cut(len(clips[0].frames), how)
    parts = [evidence.between(part.start, part.stop) for part in windows]
    usable = [measure for measure in measures.values() if measure.kind == "any" or evidence.track is not None]
    table = {measure.name: torch.stack([measure(part) for part in parts], 1).tolist() for measure in usable}
    return [
        Record(
            cell=task.cell,
            prompt=task.entry.prompt,
            seed=task.entry.seed,
            video="" if task.baseline else os.path.relpath(task.entry.video, folder),
            fps=task.entry.fps,
            frames=len(clips[0].frames),
            baseline=bool(task.baseline),
            windows=windows,
            scores={name: tuple(rows[i]) for name, rows in table.items()},
            metadata={} if task.baseline else task.entry.metadata,
        )
        for i, task in enumerate(tasks)
    ]


def content(
    records: Sequence[Record], summary: Summary, measures: Mapping[str, Measure], how: Cut, *, manifest: Path
) -> dict[str, Any]:
    """What `metrics.json` holds; documented in docs/how-to/evaluate.md."""
    return {
        "schema": SCHEMA,
        "reference": summary.reference,
        "primary": [list(column) for column in summary.primary],
        "protocol": {
            "manifest": manifest.name,
            "manifest_sha256": digest(manifest),
            "arithmetic_sha256": arithmetic_digest(),
            "windows": asdict(how),
            "interval": f"95 %, percentile bootstrap over prompts, {RESAMPLES} resamples",
            "versions": versions(),
        },
        "measures": {name: _words(measure) for name, measure in measures.items()},
        "metadata": shared_metadata([r for r in records if not r.baseline]),
        "estimates": [
            {"cell": cell, "metric": metric, "window": window, **_numbers(asdict(value))}
            for cell, table in summary.estimates.items()
            for (metric, window), value in table.items()
        ],
        "comparisons": [
            {**_numbers(asdict(c)), "difference": _numbers(asdict(c.difference))} for c in summary.comparisons
        ],
        "videos": [to_json(r) for r in records],
    }


def _words(measure: Measure) -> dict[str, Any]:
    return {name: _plain(getattr(measure, name)) for name in ("title", "unit", "better", "target", "kind")}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, float) else value
