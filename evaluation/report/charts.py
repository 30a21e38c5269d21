"""Charts of a report, as SVG: one colour a cell, told apart by colour-blind readers too; baselines grey and dashed."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evaluation.baselines import FROZEN, TRUTH
from evaluation.functional.degradation import Survival
from evaluation.measure import Measure
from evaluation.summary import Curve, Estimate, Summary

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a800")
"""Okabe and Ito's palette, its yellow darkened."""
DRAWN: Final = (TRUTH, FROZEN)
"""Baselines in charts; those that are nonsense on purpose would squeeze the axes."""
GREY: Final = "#8a8a8a"
DASHES: Final = ("--", ":", "-.")
STYLE: Final = {
    "svg.hashsalt": "reward-forcing",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


@dataclass(frozen=True)
class Axis:
    """One side of a chart of points."""

    title: str
    words: str
    """Title, window, unit and direction."""
    values: Mapping[str, Estimate]
    """By cell or baseline."""


def colours(summary: Summary) -> dict[str, str]:
    """The colour of every cell, by its place; baselines are grey."""
    of_cells = {cell: COLOURS[i % len(COLOURS)] for i, cell in enumerate(summary.cells)}
    return of_cells | dict.fromkeys(summary.baselines, GREY)


def over_time(summary: Summary, metric: str, measure: Measure) -> bytes:
    """A metric against seconds of video: the mean of every cell and its 95 % interval."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        axes = figure.subplots()
        paint = colours(summary)
        for i, name in enumerate(name for name in summary.baselines if name in DRAWN):
            _line(axes, summary.curves[name][metric], paint[name], DASHES[i % len(DASHES)])
        for name in summary.cells:
            _line(axes, summary.curves[name][metric], paint[name], "-")
        axes.set_title(measure.title)
        axes.set_xlabel("seconds of video")
        axes.set_ylabel(measure.unit or "score")
        return svg(figure)


def _line(axes: Any, curve: Curve, colour: str, dashes: str) -> None:
    seconds, points = np.array(curve.seconds), curve.points
    mean, low, high = (np.array([getattr(point, name) for point in points]) for name in ("mean", "low", "high"))
    axes.plot(seconds, mean, dashes, color=colour, linewidth=1.8, marker="o" if len(points) == 1 else None)
    if dashes == "-":
        axes.fill_between(seconds, low, high, color=colour, alpha=0.15, linewidth=0)


def differences(summary: Summary, measure: Measure, column: tuple[str, str], small: str) -> bytes:
    """Differences to the reference cell with their 95 % intervals, one cell a row."""
    rows = [(cell, c) for cell in summary.cells if (c := summary.compared(cell, column)) and c.prompts]
    paint = colours(summary)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 0.9 + 0.3 * max(len(rows), 1)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color="#555555", linewidth=1)
        for y, (cell, compared) in enumerate(rows):
            d = compared.difference
            axes.plot([d.low, d.high], [y, y], color=paint[cell], linewidth=2.4)
            axes.plot([d.mean], [y], "o", color=paint[cell], markersize=6)
        axes.set_yticks(range(len(rows)), [cell for cell, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(measure.title + (f" ({small})" if small else ""))
        axes.set_xlabel(f"difference to {summary.reference}" + (f", {measure.unit}" if measure.unit else ""))
        return svg(figure)


def pareto(summary: Summary, across: Axis, up: Axis) -> bytes:
    """Every cell and baseline as a point with both its intervals; an arrow in the axis names says where better is.

    Args:
        summary: of all cells.
        across: what the horizontal axis shows.
        up: what the vertical axis shows.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.3), layout="constrained")
        axes = figure.subplots()
        paint = colours(summary)
        for name in (*summary.cells, *(name for name in summary.baselines if name in DRAWN)):
            x, y = across.values.get(name), up.values.get(name)
            if x is None or y is None or np.isnan([x.mean, y.mean]).any():
                continue
            spread = [[[point.mean - point.low], [point.high - point.mean]] for point in (x, y)]
            known = [np.nan_to_num(np.array(ends)) for ends in spread]
            mark = "D" if name in summary.baselines else "o"
            axes.errorbar(x.mean, y.mean, known[1], known[0], fmt=mark, color=paint[name], linewidth=1.2, markersize=6)
            axes.annotate(name, (x.mean, y.mean), (5, 5), textcoords="offset points", fontsize=8, color=paint[name])
        axes.margins(0.15)
        axes.set_xlabel(across.words)
        axes.set_ylabel(up.words)
        axes.set_title(f"{up.title} against {across.title}")
        return svg(figure)


def survival(summary: Summary, curves: Mapping[str, Survival], until: float, measure: Measure) -> bytes:
    """The share of every cell's videos that have not degraded, over seconds of video."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        axes = figure.subplots()
        paint = colours(summary)
        for name, curve in curves.items():
            seconds = np.concatenate([[0.0], curve.seconds, [until]])
            share = np.concatenate([[1.0], curve.share, curve.share[-1:] if len(curve.share) else [1.0]])
            style = "--" if name in summary.baselines else "-"
            axes.step(seconds, share, style, where="post", color=paint[name], linewidth=1.8)
        axes.set_ylim(-0.02, 1.05)
        axes.set_title(f"Not degraded: {measure.title}")
        axes.set_xlabel("seconds of video")
        axes.set_ylabel("share of videos")
        return svg(figure)


def chunk_times(cells: Mapping[str, Sequence[float]], paint: Mapping[str, str]) -> bytes:
    """Milliseconds of every chunk, median over runs."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        axes = figure.subplots()
        for i, (name, seconds) in enumerate(cells.items()):
            colour = paint.get(name, COLOURS[-1 - i % 2])
            marks = "o" if len(seconds) == 1 else ""
            axes.plot(range(len(seconds)), 1000 * np.array(seconds), color=colour, linewidth=1.6, marker=marks)
        axes.set_ylim(bottom=0)
        axes.set_title("Time per chunk")
        axes.set_xlabel("chunk")
        axes.set_ylabel("milliseconds")
        return svg(figure)


def svg(figure: Figure) -> bytes:
    """A figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
