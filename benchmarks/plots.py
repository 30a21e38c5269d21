"""The picture of latency against the index of the chunk, made from the files of results."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

from evaluation.report.charts import COLOURS, STYLE

Series: TypeAlias = Mapping[str, Mapping[str, list[float]]]
PICTURE: Final = "latency.png"
FILES: Final = ("engines", "gpu_engines")
CHUNKS: Final = "seconds_by_chunk"
MARK: Final = "Comment"
"""Where a picture says from which numbers it was drawn."""


def series(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Seconds of every chunk by contestant, of every size that was measured."""
    files = [path for name in FILES if (path := folder / f"{name}.json").is_file()]
    found: dict[str, dict[str, list[float]]] = {}
    for path in files:
        known = json.loads(path.read_text(encoding="utf-8"))
        for size, rows in known["measured"].items():
            some = [row for row in rows.values() if isinstance(row, Mapping)] if isinstance(rows, Mapping) else []
            if some and all(CHUNKS in row for row in some):
                title = f"{size.replace('_', ' ')}, {known['environment']['device']}"
                found[title] = {name: row[CHUNKS] for name, row in rows.items()}
    return found


def digest(known: Series) -> str:
    """Of the numbers of a picture."""
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def latency(folder: Path) -> bytes:
    """Milliseconds of every chunk, a panel a size; nothing where there is nothing to draw. PNG."""
    known = series(folder)
    if not known:
        return b""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(known), 2.8), layout="constrained", dpi=120)
        for axes, (title, rows) in zip(figure.subplots(1, len(known), squeeze=False)[0], known.items(), strict=True):
            for colour, (name, seconds) in zip(COLOURS, rows.items(), strict=False):
                axes.plot([1000 * one for one in seconds], color=colour, marker=".", label=name.replace("_", " "))
            axes.set_ylim(bottom=0)
            axes.set_title(title)
            axes.set_xlabel("chunk")
            axes.legend(fontsize=7, frameon=False)
        figure.supylabel("milliseconds a chunk", fontsize=8)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={MARK: digest(known)})
    return picture.getvalue()
