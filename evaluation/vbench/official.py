"""VBench scored by the official package itself, in an interpreter of its own: one process a dimension, JSON in and out.

A dimension that fails is skipped with the reason and never 0; those that are finished are kept when it is run again.
"""

import csv
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from evaluation.manifest import Entry
from evaluation.table import atomically, write_json
from evaluation.vbench import worker
from evaluation.vbench.interpreter import Interpreter, run_logged
from evaluation.vbench.layout import Sample, export_official, number
from evaluation.vbench.names import SAMPLES
from evaluation.vbench.results import (
    DimensionResult,
    Results,
    read_results,
    video_scores,
    write_provenance,
    write_results,
)
from evaluation.vbench.suites import Suite, suite_of
from evaluation.vbench.totals import DIMENSIONS

CUSTOM: Final = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
"""Dimensions that need no prompts of VBench's own."""

MODES: Final = {"standard": "vbench_standard", "custom": "custom_input"}
Mode: TypeAlias = Literal["standard", "custom"]
Tell: TypeAlias = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be scored, and how.

    Args:
        dimensions: none: all that the mode has.
        mode: standard: prompts of VBench's suite, all dimensions; custom: any prompts, six dimensions.
        device: where to compute, as torch calls it.
        seconds: for one dimension; None: as long as it takes.
        local: weights are read from ~/.cache/vbench and never looked for elsewhere.
        encode: videos that are no MP4 are encoded again.
        samples: videos of a prompt.

    Raises:
        ValueError: the mode has no such dimension.
    """

    dimensions: tuple[str, ...] = ()
    mode: Mode = "standard"
    device: str = "cuda"
    seconds: float | None = None
    local: bool = False
    encode: bool = False
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        for name in self.dimensions:
            if name not in self.allowed:
                raise ValueError(
                    f"dimension {name!r} is not scored in mode {self.mode}; allowed: {', '.join(self.allowed)}"
                )

    @property
    def allowed(self) -> tuple[str, ...]:
        """All dimensions of the mode."""
        return CUSTOM if self.mode == "custom" else tuple(DIMENSIONS)


@dataclass(frozen=True)
class Part:
    """A dimension and the videos that it is scored on."""

    dimension: str
    samples: tuple[Sample, ...]
    prompts: int
    """How many the suite has for it; 0 where there is no suite."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    results: Results
    skipped: Mapping[str, str]
    """Reasons, by dimension."""


def score(
    entries: Sequence[Entry],
    out: Path,
    interpreter: Interpreter,
    wish: Wish,
    *,
    short: Mapping[str, str] | None = None,
    tell: Tell = lambda _: None,
) -> Outcome:
    """Score the videos of one cell.

    Writes to `out`: `videos/` and `manifest.jsonl` (the official layout), `dimensions/NAME/` with log and result of
    each, `vbench_eval_results.json` (all results), `vbench_provenance.json` and `vbench_per_video.csv`.

    Args:
        entries: of one cell.
        out: folder.
        interpreter: has the package.
        wish: what is to be scored.
        short: short prompts by rewritten ones.
        tell: is told about every dimension.

    Raises:
        ValueError: the videos cannot be laid out, or none is of VBench's suite.
    """
    suite = suite_of(interpreter.full_info.read_text(encoding="utf-8"), str(interpreter.full_info))
    samples = named(entries) if wish.mode == "custom" else number(entries, short, wish.samples)
    if wish.mode == "standard" and not any(suite.dimensions_of(sample.prompt) for sample in samples):
        raise ValueError(
            f"no prompt is of VBench's suite, for instance {samples[0].prompt!r}; give the list that they were "
            "rewritten by (--rewritten), or score six dimensions of any prompts (--mode custom)"
        )
    export_official(samples, out, encode=wish.encode, portable=False)
    write_json(out / "full_info.json", [prompt.info() for prompt in _present(suite, samples)])
    results: Results = {}
    skipped: dict[str, str] = {}
    parts = [part_of(name, samples, suite, wish.mode) for name in wish.dimensions or wish.allowed]
    for part in parts:
        found = _score_part(part, out, interpreter, wish, tell)
        if isinstance(found, str):
            skipped[part.dimension] = found
            tell(f"{part.dimension}: skipped: {found}")
        else:
            results[part.dimension] = found
    _write(out, parts, Outcome(results, skipped), _about(interpreter, wish, entries))
    return Outcome(results, skipped)


def named(entries: Sequence[Entry]) -> list[Sample]:
    """Samples under plain names: their prompts may be of any length, and are given beside them."""
    return [Sample(entry, entry.prompt, 0, f"video {i:05d}") for i, entry in enumerate(entries)]


def part_of(dimension: str, samples: Sequence[Sample], suite: Suite, mode: Mode) -> Part:
    """The videos that a dimension is scored on: in standard mode those of its prompts."""
    if mode == "custom":
        return Part(dimension, tuple(samples), 0)
    prompts = {prompt.text for prompt in suite.of([dimension])}
    return Part(dimension, tuple(sample for sample in samples if sample.prompt in prompts), len(prompts))


def _present(suite: Suite, samples: Sequence[Sample]) -> list[Any]:
    there = {sample.prompt for sample in samples}
    return [prompt for prompt in suite.prompts if prompt.text in there]


def _score_part(part: Part, out: Path, interpreter: Interpreter, wish: Wish, tell: Tell) -> DimensionResult | str:
    """The result of a dimension, or the reason why there is none."""
    if not part.samples:
        return f"none of its {part.prompts} prompts has a video"
    folder = out / "dimensions" / part.dimension
    result, done = folder / "vbench_eval_results.json", folder / "done.json"
    fingerprint = _fingerprint(part, out, interpreter, wish)
    known = json.loads(done.read_text(encoding="utf-8")) if done.is_file() and result.is_file() else None
    if known != fingerprint:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (result, done):
            old.unlink(missing_ok=True)
        write_json(folder / "job.json", _job(part, out, wish))
        command = [interpreter.python, "-c", inspect.getsource(worker), str((folder / "job.json").resolve())]
        failure = run_logged(command, (folder / "log.txt").resolve(), wish.seconds)
        if failure:
            return failure
    try:
        found = read_results([result])[part.dimension]
    except (ValueError, KeyError) as error:
        return f"it wrote no result that can be read ({error})"
    kept = " (kept)" if done.is_file() else ""
    write_json(done, fingerprint)
    tell(f"{part.dimension}: {found.overall:.4f} over {len(part.samples)} videos{kept}")
    return found


def _job(part: Part, out: Path, wish: Wish) -> dict[str, Any]:
    return {
        "dimension": part.dimension,
        "mode": MODES[wish.mode],
        "videos": str((out / "videos").resolve()),
        "full_info": str((out / "full_info.json").resolve()),
        "output": str((out / "dimensions" / part.dimension).resolve()),
        "prompts": {s.name: s.entry.prompt for s in part.samples} if wish.mode == "custom" else [],
        "device": wish.device,
        "local": wish.local,
    }


def _fingerprint(part: Part, out: Path, interpreter: Interpreter, wish: Wish) -> dict[str, Any]:
    """Everything that a dimension's result depends on; videos by size and time."""
    files = {sample.name: (out / "videos" / sample.name).stat() for sample in part.samples}
    known = [[s.name, s.entry.prompt, files[s.name].st_size, files[s.name].st_mtime_ns] for s in part.samples]
    digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    return {"dimension": part.dimension, "mode": wish.mode, "vbench": interpreter.version, "videos_sha256": digest}


def _about(interpreter: Interpreter, wish: Wish, entries: Sequence[Entry]) -> dict[str, Any]:
    prompts = "\n".join(sorted({entry.prompt for entry in entries}))
    return {
        "backend": "official",
        "vbench": interpreter.version,
        "python": interpreter.runs,
        "processes": 1,
        "imaging_quality_preprocessing_mode": "longer",
        "static_filter": False,
        "cell": entries[0].cell,
        "prompts_sha256": hashlib.sha256(prompts.encode()).hexdigest(),
        **{name: value for name, value in asdict(wish).items() if name in ("mode", "device", "encode")},
    }


def _write(out: Path, parts: Sequence[Part], outcome: Outcome, about: Mapping[str, Any]) -> None:
    """The tables of all dimensions; results only where there are some."""
    coverage = {
        part.dimension: {
            "videos": len(part.samples),
            "prompts": len({s.prompt for s in part.samples}),
            "of": part.prompts,
        }
        for part in parts
    }
    write_provenance(out / "vbench_provenance.json", {**about, "coverage": coverage, "skipped": dict(outcome.skipped)})
    if outcome.results:
        write_results(out / "vbench_eval_results.json", outcome.results)
        atomically(out / "vbench_per_video.csv", lambda path: _write_videos(path, parts, outcome.results))


def _write_videos(path: Path, parts: Sequence[Part], results: Results) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("cell", "prompt", "seed", "video", "dimension", "score"))
        for part in parts:
            found = video_scores(part.dimension, results[part.dimension]) if part.dimension in results else {}
            for sample in (sample for sample in part.samples if sample.name in found):
                entry = sample.entry
                writer.writerow(
                    (entry.cell, entry.prompt, entry.seed, sample.name, part.dimension, f"{found[sample.name]:.6g}")
                )
