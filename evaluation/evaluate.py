"""Score the videos of a manifest. Interrupted and run again, it goes on where it was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from evaluation.instruments import Equipment
from evaluation.manifest import read_manifest
from evaluation.measure import Measure, choose
from evaluation.provenance import arithmetic_digest
from evaluation.results import RESULTS, Judged, content
from evaluation.scoring import Rules, score_all
from evaluation.sights import plan
from evaluation.store import Store
from evaluation.summary import check_reference, summarise
from evaluation.table import write_json, write_tables
from evaluation.windows import Cut

SCORES: Final = "scores.jsonl"
SHOWN: Final = 48
"""Characters of what is being scored that the progress bar has room for."""


def evaluate(
    manifest: Path,
    out: Path | None = None,
    *,
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    baselines: bool = True,
    how: Cut | None = None,
    equipment: Equipment | None = None,
    progress: bool = True,
) -> Path:
    """Score every video of a manifest and summarise.

    Writes `scores.jsonl` (grows video by video; what is in it is not scored again unless the video, the arithmetic or
    the weights of an instrument changed), `results.json`, `per_video.csv` and `per_window.csv`.

    Args:
        manifest: the list of videos.
        out: folder to write to; the manifest's by default.
        reference: the cell that others are compared with; the manifest's first by default.
        metrics: names of metrics; by default all whose instruments are at hand. Those of the toy world are left out for
            other videos.
        baselines: whether the truth (toy world only) and trivial videos made from the reference's are scored too.
        how: how videos are cut into windows.
        equipment: the instruments; by default those that need no weights, and metrics that need others are no topic.
        progress: whether a bar is shown.

    Returns:
        The path of `results.json`.

    Raises:
        ValueError: the manifest is wrong, a metric or the reference cell is unknown, a metric asked for by name has
            no instrument, or not one video can be read.
    """
    entries, how, given = read_manifest(manifest), how or Cut(), equipment or Equipment()
    out = manifest.parent if out is None else out
    reference = check_reference(reference, dict.fromkeys(entry.cell for entry in entries))
    measures, lacking = usable(choose(metrics), given, wanted=metrics is not None)
    rules, skipped = Rules(measures, how, given), lacking if equipment else {}
    tasks = plan(entries, reference if baselines else "", f"{how} {arithmetic_digest()}")
    with Store(out / SCORES) as store, Bar(len(tasks), skipped, shown=progress) as bar:
        records, failures = score_all(tasks, rules, store, bar.advance)
    known = dict.fromkeys(record.cell for record in records if not record.baseline)
    if not known:
        raise ValueError(f"{manifest}: no video could be scored; {failures[0].video}: {failures[0].reason}")
    summary = summarise(records, measures, reference if reference in known else None)
    write_tables(out, records)
    judged = Judged(tuple(records), tuple(failures), rules, skipped)
    write_json(out / RESULTS, content(judged, summary, manifest))
    return out / RESULTS


def usable(
    measures: Mapping[str, Measure], equipment: Equipment, *, wanted: bool
) -> tuple[dict[str, Measure], dict[str, str]]:
    """The metrics whose instruments are at hand, and why the others are skipped.

    Raises:
        ValueError: some are skipped although the user wanted them by name.
    """
    skipped = {name: reason for name, m in measures.items() if (reason := equipment.lacking(m.needs))}
    if wanted and skipped:
        raise ValueError("; ".join(f"metrics: {name}: {reason}" for name, reason in skipped.items()))
    return {name: measure for name, measure in measures.items() if name not in skipped}, skipped


class Bar:
    """Progress on the terminal: what is being scored, how many are done, how long it will take; first, what is skipped.

    Args:
        total: number of videos.
        skipped: metrics that are not taken, and why.
        shown: whether anything is shown.
    """

    def __init__(self, total: int, skipped: Mapping[str, str], *, shown: bool) -> None:
        columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, disable=not shown, transient=True)
        self.line = self.progress.add_task("Scoring videos", total=total)
        self.total, self.skipped = total, skipped

    def __enter__(self) -> "Bar":
        reasons: dict[str, list[str]] = {}
        for name, reason in self.skipped.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            short = reason.split("; get it")[0]
            self.progress.console.print(f"skipped: {', '.join(names)}: {short}", highlight=False, markup=False)
        if reasons:
            self.progress.console.print("how to get what is missing: reward-forcing evaluation doctor", highlight=False)
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, left: int, coming: str) -> None:
        """So many videos are left; this one comes next."""
        words = coming if len(coming) <= SHOWN else f"{coming[: SHOWN - 3]}..."
        self.progress.update(self.line, completed=self.total - left, description=escape(words))
