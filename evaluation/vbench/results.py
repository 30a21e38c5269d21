"""VBench's result files: `{dimension: [overall, [{"video_path": ..., "video_results": ...}, ...]], ...}`.

What others wrote is read with tolerance and written back as it was: paths of other machines, booleans, imaging quality
of videos from 0 to 100 (its overall score is not), VBench-Long's third element, missing lists. Provenance has a file of
its own whose top level is a list, because the leaderboard's tool takes every key of every other file for a dimension.
"""

import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from evaluation.table import write_json
from evaluation.vbench.totals import ALL, DIMENSIONS

PERCENT: Final = "imaging_quality"
"""The dimension whose videos are scored from 0 to 100."""


@dataclass(frozen=True)
class VideoResult:
    """A video's record, as written."""

    video: str
    """Its path, perhaps on another machine."""
    value: float | bool
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, whatever machine the path is of."""
        return PurePosixPath(self.video.replace("\\", "/")).name


@dataclass(frozen=True)
class DimensionResult:
    """A dimension's overall score, 0 to 1, and the videos behind it; none where the file has no list."""

    overall: float
    videos: tuple[VideoResult, ...] = ()
    rest: tuple[Any, ...] = ()
    """What VBench-Long adds: first of all the averages of long videos, `videos` then being their clips."""


Results: TypeAlias = dict[str, DimensionResult]
"""By dimension, in the order of the files."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a result must say about itself; the first eight are asked for by the leaderboard.

    Raises:
        ValueError: a text is empty, or a number is not above 0.
    """

    sampled_by: str
    evaluated_by: str
    date: str
    frames: int
    fps: float
    height: int
    width: int
    prompt_set: str
    """Which prompts, by name and digest."""
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            wrong = not value.strip() if isinstance(value, str) else name != "more" and not value > 0
            if wrong:
                allowed = "a text" if isinstance(value, str) else "above 0"
                raise ValueError(f"provenance: {name} is {value!r}; it must be {allowed}")


def read_results(paths: Sequence[Path]) -> Results:
    """Read result files, or those in folders (and their folders); other JSON files in folders are passed over.

    Raises:
        ValueError: there is no such file, none in a folder, a file is wrong, or two disagree on a dimension.
    """
    found: Results = {}
    origin: dict[str, Path] = {}
    for path in (file for given in paths for file in _files(given)):
        for dimension, result in _results(_load(path), path).items():
            if found.setdefault(dimension, result) != result:
                raise ValueError(f"{path}: {dimension} has other results in {origin[dimension]}; give one of the two")
            origin.setdefault(dimension, path)
    return found


def scores(results: Results) -> dict[str, float]:
    """The overall scores by dimension, as totals take them."""
    return {dimension: result.overall for dimension, result in results.items()}


def video_scores(dimension: str, result: DimensionResult) -> dict[str, float]:
    """Scores from 0 to 1 by file name; of long videos where VBench-Long averaged their clips.

    Raises:
        ValueError: files of one name have different scores.
    """
    videos = result.videos
    if result.rest and isinstance(result.rest[0], list):
        known = [record for record in result.rest[0] if isinstance(record, dict) and "video_path" in record]
        videos = tuple(_video(record, dimension) for record in known)
    scale = 100 if dimension == PERCENT and any(video.value > 1 for video in videos) else 1
    found: dict[str, float] = {}
    for video in videos:
        score = float(video.value) / scale
        if found.setdefault(video.name, score) != score:
            raise ValueError(f"{dimension}: several videos are called {video.name!r} and have different scores")
    return found


def official(results: Results) -> dict[str, list[Any]]:
    """The content of one result file."""
    return {dimension: [r.overall, [_record(video) for video in r.videos], *r.rest] for dimension, r in results.items()}


def write_results(path: Path, results: Results) -> None:
    """Write one official result file."""
    write_json(path, official(results))


def write_provenance(path: Path, content: Mapping[str, Any]) -> None:
    """Write provenance so that the leaderboard's tool passes over it: as the one element of a list."""
    write_json(path, [content])


def write_submission(path: Path, results: Results, provenance: Provenance) -> None:
    """Write the ZIP file that the leaderboard takes: results and provenance.

    Raises:
        ValueError: a dimension is missing, which the leaderboard would count as 0.
    """
    missing = [name for name in DIMENSIONS if name not in results]
    if missing:
        raise ValueError(f"{path}: the leaderboard counts what is missing as 0; missing: {', '.join(missing)}")
    content = asdict(provenance)
    parts = {"eval_results.json": official(results), "provenance.json": [content.pop("more") | content]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), json.dumps(part, indent=1))  # no time: the same file every time


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    inside = sorted([*path.glob("*.json"), *path.glob("*/*.json")])
    found = [file for file in inside if isinstance(known := _load(file), dict) and known and known.keys() <= ALL.keys()]
    if not found:
        raise ValueError(f"{path}: no result file of VBench is there; they are called ..._eval_results.json")
    return found


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}); allowed: a result file of VBench") from error


def _results(content: Any, path: Path) -> Results:
    if not isinstance(content, dict):
        raise ValueError(f"{path}: the top level is no object; allowed: dimensions and their results")  # noqa: TRY004
    names = {name: name.strip().lower().replace(" ", "_") for name in content}
    for name, dimension in names.items():
        if dimension not in ALL:
            raise ValueError(f"{path}: {name!r} is no dimension of VBench; allowed: {', '.join(ALL)}")
    return {dimension: _dimension(content[name], dimension, f"{path}, {name}") for name, dimension in names.items()}


def _dimension(value: Any, dimension: str, place: str) -> DimensionResult:
    overall, videos, *rest = [*value, *[[]] * (2 - len(value))] if isinstance(value, list) and value else [value, []]
    if not _is_number(overall) or math.isnan(overall):
        raise ValueError(f"{place}: the overall score is {overall!r}; it must be a number")
    if dimension == PERCENT and overall > 1:
        overall = overall / 100
    if not -1 <= overall <= 1:
        raise ValueError(f"{place}: the overall score is {overall}; scores go from 0 to 1 (percent: divide by 100)")
    records = videos if isinstance(videos, list) else []
    return DimensionResult(float(overall), tuple(_video(record, place) for record in records), tuple(rest))


def _video(record: Any, place: str) -> VideoResult:
    known = dict(record) if isinstance(record, dict) else {}
    video, value = known.pop("video_path", None), known.pop("video_results", None)
    if not isinstance(video, str) or not (_is_number(value) or isinstance(value, bool)):
        raise ValueError(f"{place}: {str(record)[:80]} is no record of a video; it needs video_path and video_results")
    return VideoResult(video, value, known)


def _record(video: VideoResult) -> dict[str, Any]:
    return {"video_path": video.video, "video_results": video.value, **video.extras}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
