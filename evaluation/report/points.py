"""Small pictures of a comparison, to commit: points with intervals, and the same video under every cell."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from evaluation.report.charts import COLOURS, GREY, STYLE
from evaluation.summary import Estimate
from reward_forcing.videos import Clip, pictures, spread

DOTS: Final = 90
"""Dots an inch: a picture stays under 300 kB."""
STRIP_FRAMES: Final = 10


@dataclass(frozen=True)
class Panel:
    """One metric.

    Args:
        title: of the metric.
        words: unit, window, direction.
        cells: estimates by name, from top to bottom.
        marks: what to compare with, drawn as lines: the truth, a teacher.
    """

    title: str
    words: str
    cells: Mapping[str, Estimate]
    marks: Mapping[str, float]


def points(panels: Sequence[Panel]) -> bytes:
    """Cells as rows and metrics side by side, means with their intervals, as a PNG."""
    names = list(panels[0].cells)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.0 + 2.3 * len(panels), 1.1 + 0.26 * len(names)), layout="constrained", dpi=DOTS)
        rows = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(rows, panels, strict=True):
            for i, (name, mark) in enumerate(panel.marks.items()):
                axes.axvline(mark, color=GREY, linestyle=("--", ":")[i % 2], linewidth=1, label=name)
            for y, value in enumerate(panel.cells.values()):
                colour = COLOURS[y % len(COLOURS)]
                axes.plot([value.low, value.high], [y, y], color=colour, linewidth=2.2)
                axes.plot([value.mean], [y], "o", color=colour, markersize=5)
            axes.set_title(panel.title)
            axes.set_xlabel(panel.words)
            axes.locator_params(axis="x", nbins=4)
            axes.grid(visible=False, axis="y")
        rows[0].set_yticks(range(len(names)), names)
        rows[0].set_ylim(len(names) - 0.4, -0.6)
        if panels[0].marks:
            rows[-1].legend(loc="best", fontsize=7)
        return png(figure)


def strips(clips: Mapping[str, Clip], title: str) -> bytes:
    """Frames of one video under every cell, all at the same times, as a PNG."""
    longest = max(len(clip.frames) for clip in clips.values())
    at = spread(longest, STRIP_FRAMES)
    first = next(iter(clips.values()))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(1.6 + 0.62 * len(at), 0.7 + 0.66 * len(clips)), layout="constrained", dpi=DOTS)
        grid = figure.subplots(len(clips), len(at), squeeze=False)
        figure.suptitle(title, fontsize=9)
        for row, (name, clip) in zip(grid, clips.items(), strict=True):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center")
            for axes, index in zip(row, at, strict=True):
                axes.set(xticks=[], yticks=[], frame_on=False)
                if index < len(clip.frames):
                    axes.imshow(np.asarray(pictures(clip.frames[index : index + 1])[0]), interpolation="nearest")
        for axes, index in zip(grid[-1], at, strict=True):
            axes.set_xlabel(f"{index / first.fps:.1f} s", fontsize=7)
        return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as a file that says nothing about when it was made."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").save(small, "PNG", optimize=True)
    return small.getvalue()
