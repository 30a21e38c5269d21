"""Scores of videos: one record a video, on disk as JSON lines and CSV, in memory as score[video, window, metric]."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from evaluation.shape import NUMBER, Shape
from evaluation.windows import Window

VIDEO: Final[Shape] = {
    "cell": str, "prompt": str, "seed": int, "video": str, "fps": NUMBER, "frames": int, "baseline": bool,
    "windows": [list], "scores": {str: [(int, float, type(None))]}, "metadata": dict, "notes": [str],
}  # fmt: skip
"""A record as JSON; its windows are names, starts and stops, its scores one a window."""


@dataclass(frozen=True)
class Record:
    """The scores of one video."""

    cell: str
    prompt: str
    seed: int
    video: str
    """Path relative to the folder of the table; empty for baselines."""
    fps: float
    frames: int
    baseline: bool
    """Whether it was made by the evaluation itself: the truth, or a trivial video."""
    windows: tuple[Window, ...]
    scores: Mapping[str, tuple[float, ...]]
    """Of every metric, one score a window; NaN where there is none."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What was odd about the video."""

    def score(self, metric: str, window: str) -> float:
        """The score in a named window; NaN if the video has no such window or the metric was not taken."""
        names = [part.name for part in self.windows]
        return self.scores[metric][names.index(window)] if metric in self.scores and window in names else float("nan")


def to_json(record: Record) -> dict[str, Any]:
    """A record as JSON knows it: NaN becomes null, scores keep 6 digits."""
    content = asdict(record)
    content["windows"] = [[part.name, part.start, part.stop] for part in record.windows]
    content["scores"] = {name: [plain(score) for score in scores] for name, scores in record.scores.items()}
    return content


def from_json(content: Mapping[str, Any]) -> Record:
    """The record that `to_json` was given, scores rounded."""
    windows = tuple(Window(*part) for part in content["windows"])
    scores = {name: tuple(map(number, scores)) for name, scores in content["scores"].items()}
    return Record(**{**content, "windows": windows, "scores": scores, "notes": tuple(content["notes"])})


def misplaced(content: Mapping[str, Any]) -> str:
    """What is wrong with the windows and scores of a record that has the shape `VIDEO`; nothing if they fit."""
    for window in content["windows"]:
        if [type(part) for part in window] != [str, int, int]:
            return f"a window is {window!r}; it must be a name, a start and a stop"
    uneven = [name for name, scores in content["scores"].items() if len(scores) != len(content["windows"])]
    return f"{uneven[0]} has not one score a window" if uneven else ""


def plain(value: float) -> float | None:
    """A number for JSON: 6 significant digits, null for NaN."""
    return None if np.isnan(value) else float(f"{value:.6g}")


def number(value: float | None) -> float:
    """The inverse of `plain`."""
    return float("nan") if value is None else float(value)


def sliding(records: Sequence[Record], metric: str) -> Float[np.ndarray, "video window"]:
    """Scores in the sliding windows; shorter videos end in NaN."""
    rows = [
        [score for part, score in zip(r.windows, r.scores[metric], strict=True) if not part.name]
        if metric in r.scores
        else []
        for r in records
    ]
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, scores in zip(table, rows, strict=True):
        row[: len(scores)] = scores
    return table


def write_tables(folder: Path, records: Sequence[Record]) -> None:
    """Write `per_video.csv` (a row a video) and `per_window.csv` (a row a video and window)."""
    metrics = metric_names(records)
    which = ("cell", "prompt", "seed", "video")
    _write_csv(folder / "per_video.csv", (*which, "frames", *metrics), _video_rows(records, metrics))
    _write_csv(folder / "per_window.csv", (*which, "window", "start", "stop", *metrics), _window_rows(records, metrics))


def metric_names(records: Iterable[Record]) -> list[str]:
    """All metrics that some record has, in order of appearance."""
    return list(dict.fromkeys(name for record in records for name in record.scores))


def _video_rows(records: Sequence[Record], metrics: Sequence[str]) -> Iterable[list[object]]:
    for r in records:
        yield [r.cell, r.prompt, r.seed, r.video, r.frames, *(_cell(r.score(metric, "all")) for metric in metrics)]


def _window_rows(records: Sequence[Record], metrics: Sequence[str]) -> Iterable[list[object]]:
    for r in records:
        for i, part in enumerate(r.windows):
            scores = [_cell(r.scores[metric][i] if metric in r.scores else float("nan")) for metric in metrics]
            yield [r.cell, r.prompt, r.seed, r.video, part.name, part.start, part.stop, *scores]


def _cell(score: float) -> str:
    return "" if np.isnan(score) else f"{score:.6g}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    atomically(path, write)


def write_json(path: Path, content: object) -> None:
    """Write readable JSON; the file is complete or not there."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then move it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    write(partial)
    partial.replace(path)
