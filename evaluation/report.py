"""One offline page about an evaluation, its Markdown twin, and the table for the terminal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation import charts, view
from evaluation.caveats import caveats
from evaluation.evaluate import SCHEMA
from evaluation.measure import Measure, discover
from evaluation.pictures import address, choose_videos, show
from evaluation.provenance import differing, shared_metadata
from evaluation.summary import DRIFTS, WINDOWS, Column, Summary, summarise
from evaluation.table import Record, atomically, from_json

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Results:
    """An evaluation read back."""

    folder: Path
    content: Mapping[str, Any]
    records: tuple[Record, ...]
    measures: Mapping[str, Measure]
    summary: Summary
    speed: Mapping[str, Any]
    """Of `speed.json`; empty if nothing was timed."""


def read_results(metrics: Path, reference: str | None = None, speed: Path | None = None) -> Results:
    """Read `metrics.json`, given itself or its folder, and `speed.json` beside it or elsewhere.

    Raises:
        ValueError: a file is missing or of another schema, or there is no such reference cell.
    """
    path = metrics / "metrics.json" if metrics.is_dir() else metrics
    content = _read(path, SCHEMA, "`reward-forcing evaluate MANIFEST` writes it")
    beside = path.with_name("speed.json")
    timed = speed if speed is not None else beside if beside.is_file() else None
    records = tuple(from_json(record) for record in content["videos"])
    measures = {name: measure for name, measure in discover().items() if name in content["measures"]}
    return Results(
        folder=path.parent,
        content=content,
        records=records,
        measures=measures,
        summary=summarise(records, measures, reference or content["reference"]),
        speed=_read(timed, "reward-forcing/speed/1", "`reward-forcing demo` writes one") if timed else {},
    )


def _read(path: Path, schema: str, hint: str) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {hint}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error}); {hint}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise ValueError(f"{path}: the schema is {found!r}; allowed: {schema!r}; {hint}")
    return dict(content)


def write_report(
    metrics: Path,
    out: Path | None = None,
    *,
    reference: str | None = None,
    speed: Path | None = None,
    title: str = "Streaming videos compared",
) -> Path:
    """Write `report.html`, one file that needs nothing else, and `report.md`. The same results give the same bytes.

    Args:
        metrics: `metrics.json` or its folder.
        out: where the page goes; `report.html` beside the metrics by default. The Markdown gets the same stem.
        reference: the cell others are compared with; that of the evaluation by default.
        speed: `speed.json`; the one beside the metrics by default, if there is one.
        title: of the page.

    Returns:
        The path of the page.

    Raises:
        ValueError: a file is missing or of another schema, or there is no such reference cell.
    """
    results = read_results(metrics, reference, speed)
    page = results.folder / "report.html" if out is None else out
    words = {**texts(results), "title": title}
    loader = FileSystemLoader(TEMPLATES)
    jinja = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = jinja.get_template("report.html.j2").render(**words, **drawings(results))
    atomically(page, lambda partial: partial.write_text(html, encoding="utf-8"))
    markdown = jinja.overlay(autoescape=False).get_template("report.md.j2").render(**words)
    atomically(page.with_suffix(".md"), lambda partial: partial.write_text(markdown, encoding="utf-8"))
    return page


def texts(results: Results) -> dict[str, Any]:
    """Everything in words and numbers."""
    summary, measures, records = results.summary, results.measures, results.records
    made = [r for r in records if not r.baseline]
    metadata = shared_metadata(made)
    return {
        "verdicts": view.verdicts(summary, measures),
        "reference": summary.reference,
        "main": view.cells_table(summary, measures, summary.primary, rates(results.speed)),
        "clips": [view.cells_table(summary, measures, clips, rates(results.speed)) for clips in _clip_columns(summary)],
        "windows": [(view.WINDOW_WORDS[w] or "whole video", view.metrics_table(summary, measures, w)) for w in WINDOWS],
        "drifts": [(view.WINDOW_WORDS[w], view.metrics_table(summary, measures, w)) for w in DRIFTS],
        "details": view.details(summary, measures),
        "speeds": speed_rows(results.speed, summary.reference),
        "environment": results.speed.get("environment", {}),
        "scopes": sorted({cell["scope"] for cell in results.speed.get("cells", [])}),
        "protocol": protocol(results.content, made),
        "cell_settings": [(cell, settings(metadata[cell], differing(metadata))) for cell in metadata],
        "caveats": caveats(records, summary),
    }


def settings(metadata: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The settings of a cell that are not those of all cells."""
    known = [f"{key} = {metadata[key]}" for key in keys if metadata.get(key) is not None]
    return ", ".join(known) or "nothing particular"


def protocol(content: Mapping[str, Any], made: Sequence[Record]) -> list[tuple[str, str]]:
    """How the numbers came about, as pairs of words."""
    known = content["protocol"]
    prompts, counted = {r.prompt for r in made}, ", ".join(map(str, sorted({r.seed for r in made})))
    lengths = sorted({(r.frames, r.fps) for r in made})
    same = shared_metadata(made)
    common = {k: v for k, v in next(iter(same.values()), {}).items() if k not in differing(same) and v is not None}
    return [
        ("videos", f"{len(made)} videos: {len(same)} cells, {len(prompts)} prompts, seeds {counted}"),
        ("length", ", ".join(f"{frames} frames at {fps:g} per second" for frames, fps in lengths)),
        ("paired", "by prompt and seed: the same initial noise"),
        ("windows", f"sliding: {known['windows']['length']} frames every {known['windows']['hop']}; "
         f"first clip: {known['windows']['clip']} frames"),
        ("intervals", known["interval"]),
        ("in all cells", ", ".join(f"{key} = {value}" for key, value in sorted(common.items())) or view.DASH),
        ("versions", ", ".join(f"{name} {version}" for name, version in known["versions"].items())),
        ("manifest", f"{known['manifest']}, sha256 {known['manifest_sha256'][:12]}"),
        ("arithmetic", f"sha256 {known['arithmetic_sha256'][:12]}"),
        ("again", f"reward-forcing evaluate {known['manifest']}; reward-forcing report metrics.json"),
    ]  # fmt: skip


def rates(speed: Mapping[str, Any]) -> dict[str, float]:
    """Steady frames per second of every cell that was timed."""
    return {cell["cell"]: cell["figures"]["fps"] for cell in speed.get("cells", [])}


def _clip_columns(summary: Summary) -> list[tuple[Column, ...]]:
    """The columns on which cells of another length are compared, if there are any."""
    return [summary.primary_of(summary.other_length[0])] if summary.other_length else []


def speed_rows(speed: Mapping[str, Any], reference: str) -> list[tuple[str, ...]]:
    """The speed table: cell, frames per second, the same relative to the reference, first frame, chunks, memory."""
    rows: list[tuple[str, ...]] = []
    whole = rates(speed).get(reference, np.nan)
    for cell in speed.get("cells", []):
        f = {name: np.nan if value is None else value for name, value in cell["figures"].items()}
        rows.append(
            (
                cell["cell"],
                f"{f['fps']:.1f} ({f['fps_slowest_run']:.1f}–{f['fps_fastest_run']:.1f})",
                f"{f['fps'] / whole:.2f} x",
                f"{f['realtime']:.1f} x",
                f"{1000 * f['first_frame_s']:.0f} ms ({1000 * f['first_frame_cold_s']:.0f} cold)",
                " / ".join(f"{1000 * f[f'chunk_p{share}_s']:.0f}" for share in (50, 90, 99)) + " ms",
                f"{100 * f['growth_per_chunk']:+.2f} %",
                f"{f['stalls']:.0f} ({f['stalled_s']:.1f} s)",
                f"{f['memory_peak'] / 2**20:.0f} MiB ({f['memory_growth'] / 2**20:+.1f})",
            )
        )
    return rows


def drawings(results: Results) -> dict[str, Any]:
    """Everything that is a picture, as addresses that carry it."""
    summary, measures = results.summary, results.measures
    first = [name for name, _ in summary.primary]
    metrics = [name for name in (*dict.fromkeys((*first, *measures)),) if _varies(summary, name)]
    shown = [show(choice, results.records, results.folder) for choice in choose_videos(results.records, summary)]
    columns = dict.fromkeys(column for cell in summary.cells for column in summary.primary_of(cell))
    compared = [column for column in columns if any(c.prompts for c in summary.comparisons if c.column == column)]
    paint = charts.colours(summary)
    return {
        "shows": [s for s in shown if s is not None],
        "curves": [_curve(summary, measures[name]) for name in metrics if name in first],
        "more_curves": [_curve(summary, measures[name]) for name in metrics if name not in first],
        "forest": [
            _picture(charts.differences(summary, measures[column[0]], column, view.WINDOW_WORDS[column[1]]))
            for column in compared
        ],
        "chunks": [_picture(charts.chunk_times(times, paint)) for times in chunk_medians(results.speed)],
        "colours": paint,
    }


def chunk_medians(speed: Mapping[str, Any]) -> list[dict[str, list[float]]]:
    """Seconds of every chunk, median over runs, of cells with several chunks; an empty list if there is none."""
    runs = {cell["cell"]: np.array([run["seconds"] for run in cell["runs"]]) for cell in speed.get("cells", [])}
    times = {name: list(np.median(table, 0)) for name, table in runs.items() if table.ndim == 2 and table.shape[1] > 1}
    return [times] if times else []


def _varies(summary: Summary, metric: str) -> bool:
    """Whether there is a curve to draw: not everything in it is the same."""
    means = [point.mean for cell in summary.cells for point in summary.curves[cell][metric].points]
    return len({mean for mean in means if not np.isnan(mean)}) > 1


def _curve(summary: Summary, measure: Measure) -> str:
    return _picture(charts.over_time(summary, measure.name, measure))


def _picture(content: bytes) -> str:
    return address(content, "svg+xml")


def print_table(metrics: Path, reference: str | None = None) -> None:
    """Print means and differences, metrics as rows, and the verdicts with their intervals to the terminal.

    Raises:
        ValueError: as `read_results`.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    results = read_results(metrics, reference)
    summary, measures = results.summary, results.measures
    console = Console()
    for columns in (summary.primary, *_clip_columns(summary)):
        said = view.cells_table(summary, measures, columns, rates(results.speed))
        table = Table("", title=f"Means and differences to {summary.reference}", box=box.SIMPLE_HEAD)
        for row in said.rows:
            table.add_column(row.name, justify="right", style="dim" if row.kind == "baseline" else "")
        for i, heading in enumerate(said.headers):
            fields = [Text.assemble(*_styled(row.fields[i])) for row in said.rows]
            table.add_row(Text.assemble(heading[0], "  ", (heading[1], "dim")), *fields)
        console.print(table)
    for verdict in view.verdicts(summary, measures):
        console.print(Text(f"{verdict}\n"))


def _styled(field: view.Shown) -> list[tuple[str, str]]:
    colour = {"better": "green", "worse": "red"}.get(field.verdict, "dim")
    return [(field.value, ""), *([(f" {field.change}", colour)] if field.change else [])]
