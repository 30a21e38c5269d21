"""What `results.json` holds; documented in docs/how-to/evaluate.md."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from evaluation.measure import Measure
from evaluation.provenance import arithmetic_digest, digest, prompts_digest, shared_metadata, versions
from evaluation.scoring import Rules
from evaluation.shape import Shape, misshapen, read_json
from evaluation.sights import Failure
from evaluation.signals import PIECE
from evaluation.statistics.intervals import RESAMPLES
from evaluation.summary import Summary
from evaluation.table import VIDEO, Record, misplaced, plain, to_json

SCHEMA: Final = "reward-forcing/results/1"
RESULTS: Final = "results.json"
HINT: Final = "`reward-forcing evaluate MANIFEST` writes it"

SHAPE: Final[Shape] = {
    "reference": str,
    "protocol": {
        "arithmetic_sha256": str, "windows": {"length": int, "hop": int, "clip": int}, "interval": str,
        "versions": dict, "instruments": dict,
    },
    "measures": {str: dict},
    "skipped": {str: str},
    "failed": [dict],
}  # fmt: skip
"""Of what a report reads back, besides the videos."""


@dataclass(frozen=True)
class Judged:
    """An evaluation before it is summarised."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    rules: Rules
    skipped: Mapping[str, str]
    """Metrics that were not taken, and why."""


def content(judged: Judged, summary: Summary, manifest: Path) -> dict[str, Any]:
    """Everything, as JSON knows it."""
    records, measures, how = judged.records, judged.rules.measures, judged.rules.how
    used = {need for measure in measures.values() for need in measure.needs}
    return {
        "schema": SCHEMA,
        "reference": summary.reference,
        "primary": [list(column) for column in summary.primary],
        "protocol": {
            "manifest": manifest.name,
            "manifest_sha256": digest(manifest),
            "prompts_sha256": prompts_digest(records),
            "arithmetic_sha256": arithmetic_digest(),
            "windows": asdict(how),
            "pieces": PIECE,
            "interval": f"95 %, bootstrap over prompts (and training seeds), {RESAMPLES} resamples, Student's quantile",
            "versions": versions(),
            "instruments": {name: judged.rules.equipment.fingerprints.get(name, "no weights") for name in sorted(used)},
        },
        "measures": {name: _words(measure) for name, measure in measures.items()},
        "skipped": dict(judged.skipped),
        "failed": [asdict(failure) for failure in judged.failures],
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


def read_content(path: Path, shape: Shape = SHAPE) -> dict[str, Any]:
    """What a results file holds, as `content` made it.

    Args:
        path: of the file.
        shape: of what is needed of it; that of `videos` is always looked at.

    Raises:
        ValueError: the file is missing, damaged, or of another schema. Names it, and what is wrong where.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {HINT}")
    try:
        held = read_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); {HINT}") from error
    found = held.get("schema") if isinstance(held, dict) else None
    if found != SCHEMA:
        raise ValueError(f"{path}: the schema is {found!r}; allowed: {SCHEMA!r}; {HINT}")
    fault = misshapen(held, {**shape, "videos": [VIDEO]}) or next(filter(None, map(misplaced, held["videos"])), "")
    if fault or not held["videos"]:
        raise ValueError(f"{path}: incomplete ({fault or 'it lists no videos'}); {HINT}")
    return dict(held)


def _words(measure: Measure) -> dict[str, Any]:
    return {name: _plain(getattr(measure, name)) for name in ("title", "unit", "better", "target", "kind")}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, float) else value
