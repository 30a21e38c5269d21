"""`speed.json`, its page and its charts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from evaluation.speed.environment import digest, machine, refuse
from evaluation.speed.figures import Timed, figures, latencies, quality, remarks, shares, stages
from evaluation.speed.harness import SIZE, Cell
from evaluation.speed.runs import SCOPES, TITLES, Run, Speed
from evaluation.speed.tables import sheets
from evaluation.table import atomically, plain, write_json

SCHEMA: Final = "reward-forcing/speed/2"

INSIDE: Final = {
    "denoiser": "denoising passes, context pass, memory",
    "codec": "denoising passes, context pass, memory, decoding",
    "end_to_end": "text encoding, denoising passes, context pass, memory, decoding, copy to the host as uint8",
}
"""What is inside the times of each scope."""


def content(
    timed: Sequence[Timed],
    cells: Sequence[Cell] = (),
    *,
    device: str = "cpu",
    scopes: Sequence[str] = tuple(SCOPES),
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What `speed.json` holds; documented in docs/how-to/benchmark.md.

    Args:
        timed: cells that were timed.
        cells: what they are, in the same order; may be left out.
        device: on which they were timed.
        scopes: which to tell of, where they can be told apart.
        environment: what else is known.
    """
    surroundings = machine(device)
    settings = [dict(cell.settings) for cell in cells] or [{} for _ in timed]
    rows = [_row(each, known, scopes, surroundings) for each, known in zip(timed, settings, strict=True)]
    ceiling = next((each.ceiling for each in timed if each.ceiling), None)
    return {
        "schema": SCHEMA,
        "environment": {**surroundings, **(environment or {})},
        "inside": {TITLES[name]: words for name, words in INSIDE.items()},
        "ceiling": ceiling and asdict(ceiling),
        "remarks": [words for each in timed for words in remarks(each.speed)] + sizes(timed),
        "cells": rows,
    }


def sizes(timed: Sequence[Timed]) -> list[str]:
    """Where videos of different sizes were timed on request."""
    return refuse({each.speed.cell: size_of(each.speed) for each in timed}, force=True)


def size_of(speed: Speed) -> dict[str, int]:
    """Videos at once, rows and columns of pixels."""
    return dict(zip(SIZE, speed.cold.size, strict=True))


def _row(each: Timed, settings: Mapping[str, Any], scopes: Sequence[str], surroundings: Mapping[str, Any]) -> Any:
    speed = each.speed
    told = [scope for scope in speed.scopes if scope in scopes] or ["end_to_end"]
    known = {**size_of(speed), **settings}
    return {
        "cell": speed.cell,
        "scope": f"end to end: {INSIDE['end_to_end']}",
        "fingerprint": digest({**surroundings, **known}),
        "settings": known,
        "ramp": speed.ramp,
        "playback": speed.playback,
        "buffer": speed.buffer,
        "figures": _plain(figures(speed)),
        "scopes": {scope: _plain(latencies(speed.within(scope))) for scope in told},
        "stages": _plain(stages(speed)),
        "shares": {scope: _plain(found) for scope in told if (found := shares(each, scope))},
        "memory_planned": each.work.memory if each.work else None,
        "quality": quality(speed),
        "cold": _run(speed.cold),
        "runs": [_run(run) for run in speed.runs],
    }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: plain(value) for name, value in values.items()}


def _run(run: Run) -> dict[str, Any]:
    known = asdict(run)
    stamp = known.pop("stamp")
    return {**known, "digest": stamp and stamp["digest"]}


def write_speeds(
    path: Path, speeds: Sequence[Speed], environment: Mapping[str, Any] | None = None, device: str = "cpu"
) -> None:
    """Write `speed.json`: figures and all runs of every cell, and where they were measured."""
    write_json(path, content([Timed(speed) for speed in speeds], device=device, environment=environment))


def read_speeds(path: Path) -> dict[str, Any]:
    """What a benchmark wrote; `path` is the file or its folder.

    Raises:
        ValueError: there is none, or it is of another schema.
    """
    file = path / "speed.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file; `reward-forcing benchmark` writes one")
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error}); `reward-forcing benchmark` writes one") from error
    found = known.get("schema") if isinstance(known, dict) else None
    if found != SCHEMA:
        raise ValueError(f"{file}: the schema is {found!r}; allowed: {SCHEMA!r}; `reward-forcing benchmark` writes it")
    return dict(known)


def beside(known: Mapping[str, Any], earlier: Mapping[str, Any], name: str, *, force: bool) -> dict[str, Any]:
    """Add the rows of an earlier benchmark, under its name, to those of a new one.

    Machine, software, code and size of the videos must agree, and of cells with one name all settings, too.

    Raises:
        ValueError: they do not, and nobody insists.
    """
    theirs = f"earlier ({name})"
    shared = machine_of(known)
    told = refuse({"now": shared, theirs: machine_of(earlier, shared)}, force=force)
    now = {cell["cell"]: cell["settings"] for cell in known["cells"]}
    anyone = next(iter(now.values()))
    for cell in earlier["cells"]:
        same = now.get(cell["cell"], {key: anyone[key] for key in SIZE})
        told += refuse({f"{cell['cell']} now": same, f"{cell['cell']} {theirs}": cell["settings"]}, force=force)
    rows = [{**cell, "cell": f"{cell['cell']} ({name})"} for cell in earlier["cells"]]
    before = [f"{name}: {words}" for words in earlier["remarks"]]
    return {**known, "cells": [*known["cells"], *rows], "remarks": [*known["remarks"], *told, *before]}


def machine_of(known: Mapping[str, Any], like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Of an environment, what must agree."""
    keys = machine() if like is None else like
    return {key: known["environment"].get(key) for key in keys}


def write_all(out: Path, known: Mapping[str, Any]) -> None:
    """Write `speed.json`, `speed.md` and `charts/*.svg`."""
    from evaluation.speed.charts import charts

    write_json(out / "speed.json", known)
    for name, picture in charts(known["cells"]).items():
        _write_picture(out / "charts" / f"{name}.svg", picture)
    atomically(out / "speed.md", lambda partial: partial.write_text(page(known), encoding="utf-8"))


def _write_picture(path: Path, picture: bytes) -> None:
    atomically(path, lambda partial: partial.write_bytes(picture))


def page(known: Mapping[str, Any]) -> str:
    """The Markdown page."""
    inside = "\n".join(f"* {scope}: {words}" for scope, words in known["inside"].items())
    remarked = "\n".join(f"* {words}" for words in known["remarks"]) or "None."
    where = "\n".join(f"* {name}: {value}" for name, value in known["environment"].items())
    pictures = "\n\n".join(f"![{name}](charts/{name}.svg)" for name in ("latency", "distribution", "stages", "memory"))
    tables = "\n".join(sheet.markdown() for sheet in sheets(known))
    return (
        f"# Speed\n\nOne video at a time, cells in turns. Frames are decoded video frames of one video.\n\n{inside}\n\n"
        f"## Remarks\n\n{remarked}\n\n{tables}\n{pictures}\n\n## Where\n\n{where}\n"
    )
