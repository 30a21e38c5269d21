"""The tables of a benchmark in words, for the terminal and for Markdown: a line a figure, a column a cell."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from evaluation.speed.runs import TITLES
from evaluation.table import number

DASH: Final = "–"

Cell: TypeAlias = Mapping[str, Any]
"""A cell of `speed.json`."""

Lines: TypeAlias = Mapping[str, Callable[[Any], str]]
"""What each line of a table is called, and how it is read."""


@dataclass(frozen=True)
class Sheet:
    """A table as text; the first word of a line is its name."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """With a heading."""
        lines = [self.headers, ("---", *("---:" for _ in self.headers[1:])), *self.rows]
        body = "\n".join("| " + " | ".join(word.replace("|", "\\|") for word in line) + " |" for line in lines)
        return f"## {self.title}\n\n{body}\n"


def sheets(content: Mapping[str, Any]) -> list[Sheet]:
    """All tables of what `speed.json` holds; those of which nothing was measured are left out."""
    cells = content["cells"]
    scopes = [scope for scope in TITLES if any(scope in cell["scopes"] for cell in cells)]
    made = [times(cells, scope) for scope in scopes]
    made += [playing(cells), stages(cells)]
    made += [work(cells, scope, content.get("ceiling")) for scope in scopes if scope != "end_to_end"]
    return [sheet for sheet in (*made, frames(cells), settings(cells)) if len(sheet.headers) > 1 and sheet.rows]


def _across(title: str, cells: Mapping[str, Any], lines: Lines) -> Sheet:
    """A table of what is known of each cell."""
    rows = [(name, *(read(known) for known in cells.values())) for name, read in lines.items()]
    return Sheet(title, ("", *cells), tuple(row for row in rows if set(row[1:]) != {DASH}))


def times(cells: Sequence[Cell], scope: str) -> Sheet:
    """Rates and latencies of every cell within a scope."""
    known = {cell["cell"]: cell["scopes"][scope] for cell in cells if scope in cell["scopes"]}
    lines: Lines = {
        "frames a second, steady": lambda f: _digits(f["fps"]),
        "slowest – fastest run": lambda f: f"{_digits(f['fps_slowest_run'])} – {_digits(f['fps_fastest_run'])}",
        "frames a second, ramp": lambda f: _digits(f["fps_ramp"]),
        "x real time": lambda f: _digits(f["realtime"]),
        "first frame, warm": lambda f: _ms(f["first_frame_s"]),
        "first frame, cold": lambda f: _ms(f["first_frame_cold_s"]),
        "chunk p50": lambda f: _ms(f["chunk_p50_s"]),
        "chunk p90": lambda f: _ms(f["chunk_p90_s"]),
        "chunk p95": lambda f: _ms(f["chunk_p95_s"]),
        "chunk p99": lambda f: _ms(f["chunk_p99_s"]),
        "chunk max": lambda f: _ms(f["chunk_max_s"]),
        "growth a chunk": lambda f: f"{100 * f['growth_per_chunk']:+.2f} %",
    }
    return _across(f"{TITLES[scope].capitalize()} (times in milliseconds)", known, lines)


def playing(cells: Sequence[Cell]) -> Sheet:
    """What a viewer and an owner of the machine notice."""
    lines: Lines = {
        "played at, after a buffer of": lambda cell: f"{cell['playback']:g}/s, {cell['buffer']:g} s",
        "stalls (seconds)": lambda cell: f"{cell['figures']['stalls']:.0f} ({cell['figures']['stalled_s']:.2f})",
        "buffer without stalls": lambda cell: f"{cell['figures']['buffer_needed_s']:.2f} s",
        "text encoding": lambda cell: f"{_ms(cell['figures']['text_s'])} ms",
        "memory, peak": lambda cell: _mib(cell["figures"]["memory_peak"]),
        "memory, reserved": lambda cell: _mib(cell["figures"].get("memory_reserved")),
        "memory beyond the start": lambda cell: _mib(cell["figures"]["memory_beyond"]),
        "keys and values, planned": lambda cell: _mib(cell["memory_planned"]),
        "memory, a chunk": lambda cell: f"{cell['figures']['memory_slope'] / 2**10:+.1f} KiB",
        "energy a frame": lambda cell: _joules(cell["figures"]["joules_per_frame"]),
    }
    return _across("Playback, memory, energy", {cell["cell"]: cell for cell in cells}, lines)


def stages(cells: Sequence[Cell]) -> Sheet:
    """Mean milliseconds of each stage of a steady chunk."""
    names = list(dict.fromkeys(name for cell in cells for name in cell["stages"]))
    rows = tuple((name, *(_ms(cell["stages"].get(name)) for cell in cells)) for name in names)
    return Sheet("Stages of a steady chunk (mean milliseconds)", ("", *(cell["cell"] for cell in cells)), rows)


def work(cells: Sequence[Cell], scope: str, ceiling: Mapping[str, Any] | None) -> Sheet:
    """Operations, rates and shares of what the machine can do."""
    lines: Lines = {
        "GFLOP a chunk": lambda f: f"{f['flops_per_chunk'] / 1e9:.4g}",
        "GFLOP/s": lambda f: f"{f['flops_per_s'] / 1e9:.4g}",
        "of the ceiling": lambda f: f"{100 * f['share_of_ceiling']:.1f} %",
        "of the published peak": lambda f: (
            f"{100 * f['share_of_published']:.1f} %" if "share_of_published" in f else DASH
        ),
        "frames a second at the ceiling": lambda f: _digits(f["ceiling_fps"]),
    }
    known = {cell["cell"]: cell["shares"][scope] for cell in cells if scope in cell["shares"]}
    rate = f"{ceiling['measured'] / 1e9:.4g} GFLOP/s: {ceiling['how']}" if ceiling else "unknown"
    return _across(f"Work of {TITLES[scope]} (ceiling {rate})", known, lines)


def frames(cells: Sequence[Cell]) -> Sheet:
    """The stamp of the frames that were timed."""
    lines: Lines = {
        "verdict": lambda q: "; ".join([q["verdict"], *q["suspicions"]]),
        "contrast, levels": lambda q: f"{q['contrast']:.1f}",
        "sharpness, levels": lambda q: f"{q['sharpness']:.1f}",
        "likeness of neighbours": lambda q: f"{q['likeness']:.2f}",
        "change a frame, levels": lambda q: f"{q['change']:.1f}" if "change" in q else DASH,
        "frames with one sprite": lambda q: f"{100 * q['presence']:.0f} %" if "presence" in q else DASH,
        "sha256": lambda q: q["digest"][:12],
    }
    known = {cell["cell"]: cell["quality"] for cell in cells if cell["quality"]}
    return _across("The frames that were timed", known, lines)


def settings(cells: Sequence[Cell]) -> Sheet:
    """What the cells are."""
    keys = list(dict.fromkeys(key for cell in cells for key in cell["settings"]))
    rows = tuple((key, *(_short(cell["settings"].get(key, DASH)) for cell in cells)) for key in keys)
    return Sheet("Settings", ("", *(cell["cell"] for cell in cells)), rows)


def _short(value: object) -> str:
    """A value in few words: of digests, the beginning."""
    words = [f"{part:.4g}" for part in value] if isinstance(value, list) else [str(value)]
    text = ", ".join(words)
    return text[:12] if len(text) == 64 else text


def _digits(value: float | None) -> str:
    """Three digits; a dash for what there is not."""
    known = number(value)
    return DASH if math.isnan(known) else f"{known:.3g}" if abs(known) < 1000 else f"{known:.0f}"


def _ms(seconds: float | None) -> str:
    return _digits(None if seconds is None else 1000 * seconds)


def _mib(size: float | None) -> str:
    return DASH if size is None else f"{_digits(size / 2**20)} MiB"


def _joules(energy: float | None) -> str:
    return DASH if energy is None else f"{_digits(energy)} J"
