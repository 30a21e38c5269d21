"""One offline page about an evaluation, and its Markdown twin."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.functional.degradation import kaplan_meier, time_to_degrade
from evaluation.measure import Measure
from evaluation.report import charts, view
from evaluation.report.contrasts import Section, effect_section, equivalence_section, factor_effects
from evaluation.report.pictures import address, choose_videos, show
from evaluation.report.reading import Results, read_results
from evaluation.report.tradeoffs import tradeoffs
from evaluation.report.words import texts
from evaluation.summary import Column, Summary
from evaluation.table import atomically, sliding

TEMPLATES: Final = Path(__file__).parent / "templates"

SURVIVALS: Final = 2
"""So many metrics have a chart of how long videos hold out."""


def write_report(
    runs: Path | Sequence[Path],
    out: Path | None = None,
    *,
    reference: str | None = None,
    speed: Path | None = None,
    title: str = "Streaming videos compared",
    factors: tuple[str, str] | None = None,
    margins: Mapping[Column, float] | None = None,
) -> Path:
    """Write `report.html`, one file that needs nothing else, and `report.md`. The same results give the same bytes.

    Args:
        runs: `results.json` or its folder; several become one report.
        out: where the page goes; by default `report.html` beside the results, or in the folder that holds all of them.
            The Markdown gets the same stem.
        reference: the cell others are compared with; that of the evaluation by default.
        speed: `speed.json`; those beside the results by default, where there are any.
        title: of the page.
        factors: two words of the videos' metadata, whose effects and interaction are shown.
        margins: differences that do not matter, by metric and window: which cells are equivalent is shown.

    Returns:
        The path of the page.

    Raises:
        ValueError: a file is missing or of another schema, or there is no such reference cell, factor or metric.
    """
    results = read_results(runs, reference, speed)
    page = home(runs) / "report.html" if out is None else out
    words = {**texts(results), "title": title, "sections": sections(results, factors, margins or {})}
    loader = FileSystemLoader(TEMPLATES)
    jinja = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = jinja.get_template("report.html.j2").render(**words, **drawings(results))
    atomically(page, lambda partial: partial.write_text(html, encoding="utf-8"))
    markdown = jinja.overlay(autoescape=False).get_template("report.md.j2").render(**words)
    atomically(page.with_suffix(".md"), lambda partial: partial.write_text(markdown, encoding="utf-8"))
    return page


def sections(results: Results, factors: tuple[str, str] | None, margins: Mapping[Column, float]) -> list[Section]:
    """What factors do, and which differences do not matter, as far as it is asked for."""
    summary, measures, found = results.summary, results.measures, []
    strange = [metric for metric, _ in margins if metric not in measures]
    if strange:
        raise ValueError(f"margin of {strange[0]!r}: no such metric was taken; allowed: {', '.join(measures)}")
    if factors is not None:
        effects = factor_effects(results.records, factors, summary.primary, measures, summary.reference)
        found.append(effect_section(effects, measures))
    if margins:
        found.append(equivalence_section(summary, measures, margins))
    return found


def home(runs: Path | Sequence[Path]) -> Path:
    """The folder of a results file, or the one that holds all of them."""
    folders = [run if run.is_dir() else run.parent for run in ([runs] if isinstance(runs, Path) else runs)]
    return Path(os.path.commonpath([folder.resolve() for folder in folders])) if len(folders) > 1 else folders[0]


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
        "tradeoffs": [
            _picture(charts.pareto(summary, across, up))
            for across, up in tradeoffs(summary, measures, results.speed.get("cells", []))
        ],
        "survivals": survivals(results)[:SURVIVALS],
        "chunks": [_picture(charts.chunk_times(times, paint)) for times in chunk_medians(results.speed)],
        "colours": paint,
    }


def chunk_medians(speed: Mapping[str, Any]) -> list[dict[str, list[float]]]:
    """Seconds of every chunk, median over runs, of cells with several chunks; an empty list if there is none."""
    runs = {cell["cell"]: np.array([run["seconds"] for run in cell["runs"]]) for cell in speed.get("cells", [])}
    times = {name: list(np.median(table, 0)) for name, table in runs.items() if table.ndim == 2 and table.shape[1] > 1}
    return [times] if times else []


def survivals(results: Results) -> list[str]:
    """For every primary metric that judges: how long the videos of each cell are as good as they began."""
    summary, pictures = results.summary, []
    for name in dict.fromkeys(metric for metric, _ in summary.primary):
        measure, seconds = results.measures[name], summary.curves[summary.reference][name].seconds
        if measure.better == "open" or len(seconds) < 3:
            continue
        curves = {}
        for cell in (*summary.cells, *(name for name in summary.baselines if name in charts.DRAWN)):
            table = sliding([r for r in results.records if r.cell == cell], name)
            curves[cell] = kaplan_meier(time_to_degrade(-measure.error(table), seconds[1] - seconds[0]))
        if any(len(curve.seconds) for curve in curves.values()):
            pictures.append(_picture(charts.survival(summary, curves, seconds[-1], measure)))
    return pictures


def _varies(summary: Summary, metric: str) -> bool:
    """Whether there is a curve to draw: not everything in it is the same."""
    means = [point.mean for cell in summary.cells for point in summary.curves[cell][metric].points]
    return len({mean for mean in means if not np.isnan(mean)}) > 1


def _curve(summary: Summary, measure: Measure) -> str:
    return _picture(charts.over_time(summary, measure.name, measure))


def _picture(content: bytes) -> str:
    return address(content, "svg+xml")
