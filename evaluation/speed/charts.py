"""Charts of a benchmark, as SVG: one colour a cell."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evaluation.report.charts import COLOURS, DASHES, STYLE, svg
from evaluation.speed.runs import COPY, DECODE, DENOISE, STREAM

STAGES: Final = {DENOISE: "#0072b2", DECODE: "#e69f00", COPY: "#009e73", STREAM: "#56b4e9"}
LEGEND: Final = 38
"""Characters of a name in a legend."""
Cells = Sequence[Mapping[str, Any]]


def charts(cells: Cells) -> dict[str, bytes]:
    """All charts of the cells of `speed.json`, by name."""
    return {"latency": latency(cells), "memory": memory(cells), "stages": stages(cells), "distribution": ecdf(cells)}


def _paint(index: int) -> dict[str, Any]:
    """Colour and dashes of a cell; dashes, because cells often lie on each other."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": ("-", *DASHES)[index % (len(DASHES) + 1)]}


def latency(cells: Cells) -> bytes:
    """Milliseconds of every chunk: median over runs as a line, all runs as a band."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for index, cell in enumerate(cells):
            times = _table(run["seconds"] for run in cell["runs"]) * 1000
            paint, chunks = _paint(index), np.arange(times.shape[1])
            axes.plot(chunks, np.median(times, 0), **paint, linewidth=1.8, marker=_marker(times), label=cell["cell"])
            axes.fill_between(chunks, times.min(0), times.max(0), color=paint["color"], alpha=0.15, linewidth=0)
            _end_of_ramp(axes, cell, times.shape[1], paint["color"])
        axes.set_ylim(bottom=0)
        axes.set_title("Time of each chunk, end to end (band: all runs)")
        axes.set_xlabel("chunk (dotted: the memory is full)")
        axes.set_ylabel("milliseconds")
        return _finish(figure, axes)


def memory(cells: Cells) -> bytes:
    """Mebibytes in use against the chunk, beyond those before the video."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for index, cell in enumerate(cells):
            runs = [np.array(next(iter(run["memory"].values()))) - run["before"] for run in cell["runs"]]
            grown = np.median(_table(runs), 0) / 2**20
            axes.plot(grown, **_paint(index), linewidth=1.8, marker=_marker(grown[None]), label=cell["cell"])
        kind = next(iter(cells[0]["runs"][0]["memory"]))
        axes.set_ylim(top=max(1.0, axes.get_ylim()[1]))  # pages that come and go are not to look like a leak
        axes.set_title("Memory in use")
        axes.set_xlabel("chunk")
        axes.set_ylabel(f"MiB {kind} beyond the start")
        return _finish(figure, axes)


def stages(cells: Cells) -> bytes:
    """Where the time of a steady chunk goes."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(1.3 + 0.35 * len(cells))
        left = np.zeros(len(cells))
        for stage, colour in STAGES.items():
            width = np.array([1000 * cell["stages"].get(stage, 0.0) for cell in cells])
            if width.any():
                axes.barh(range(len(cells)), width, left=left, color=colour, label=stage, height=0.6)
            left += width
        axes.set_yticks(range(len(cells)), [shortened(cell["cell"]) for cell in cells])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_title("Stages of a steady chunk")
        axes.set_xlabel("mean milliseconds")
        figure.legend(fontsize=7, frameon=False, ncols=len(STAGES), loc="outside lower center")
        return svg(figure)


def ecdf(cells: Cells) -> bytes:
    """Which share of the steady chunks takes at most so long, and how long they may take to be played."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for index, cell in enumerate(cells):
            skip = cell["ramp"] if cell["ramp"] < len(cell["runs"][0]["seconds"]) else 0
            times = np.sort(np.concatenate([run["seconds"][skip:] for run in cell["runs"]])) * 1000
            axes.step(np.r_[times[0], times], np.linspace(0, 100, len(times) + 1), **_paint(index), label=cell["cell"])
        cell = cells[0]
        due = 1000 * cell["runs"][0]["frames"][-1] / cell["playback"]
        if due < 4 * max(1000 * max(run["seconds"]) for cell in cells for run in cell["runs"]):
            axes.axvline(due, color="#555555", linewidth=1, linestyle=":")
            axes.annotate(f"as fast as {cell['playback']:g} frames/s", (due, 2), rotation=90, ha="right", fontsize=7)
        axes.set_title("Distribution of steady chunks")
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("% of chunks at most")
        return _finish(figure, axes)


def _axes(height: float = 3.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.4, height), layout="constrained")
    return figure, figure.subplots()


def _table(rows: Any) -> np.ndarray:
    """Rows as long as the shortest."""
    return np.array(list(zip(*rows, strict=False)), dtype=float).T


def _marker(table: np.ndarray) -> str:
    """One chunk alone would be an invisible line."""
    return "o" if table.shape[1] == 1 else ""


def _end_of_ramp(axes: Any, cell: Mapping[str, Any], chunks: int, colour: str) -> None:
    if 0 < cell["ramp"] < chunks:
        axes.axvline(cell["ramp"] - 0.5, color=colour, linewidth=0.8, linestyle=":")


def _finish(figure: Figure, axes: Any) -> bytes:
    lines, names = axes.get_legend_handles_labels()
    legend = axes.legend(lines, [shortened(name) for name in names], fontsize=7, frameon=False, ncols=2)
    legend.set_in_layout(False)  # whatever cells are called, the chart keeps its size
    return svg(figure)


def shortened(name: str) -> str:
    """A name that a legend has room for: its beginning and its end.

    >>> shortened("initial_student (" + "/a/very/long/path" * 3 + "/speed.json)")
    'initial_student (/…ng/path/speed.json)'
    """
    half = (LEGEND - 1) // 2
    return name if len(name) <= LEGEND else f"{name[:half]}…{name[-(LEGEND - half - 1) :]}"
