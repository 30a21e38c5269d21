"""Evaluations read back: one, or several as one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from evaluation.measure import Measure, discover
from evaluation.results import RESULTS, read_content
from evaluation.speed.writing import read_speeds
from evaluation.statistics.crossed import key_of
from evaluation.summary import Summary, summarise
from evaluation.table import Record, from_json

COMPARABLE: Final = ("arithmetic_sha256", "windows")
"""What the protocols of several evaluations must agree in."""


@dataclass(frozen=True)
class Results:
    """An evaluation read back."""

    folder: Path
    """What the records' paths are relative to."""
    content: Mapping[str, Any]
    """Of the first results file; what was skipped and failed, of all."""
    records: tuple[Record, ...]
    measures: Mapping[str, Measure]
    summary: Summary
    speed: Mapping[str, Any]
    """Of `speed.json`; empty if nothing was timed."""


@dataclass(frozen=True)
class Run:
    """One results file."""

    path: Path
    content: Mapping[str, Any]
    records: tuple[Record, ...]

    def placed(self, folder: Path, names: Mapping[str, str]) -> list[Record]:
        """Its records, with paths relative to another folder and cells called otherwise."""
        way = os.path.relpath(self.path.parent, folder)
        return [
            replace(r, cell=names.get(r.cell, r.cell), video=r.video and os.path.normpath(f"{way}/{r.video}"))
            for r in self.records
        ]


def read_results(runs: Path | Sequence[Path], reference: str | None = None, speed: Path | None = None) -> Results:
    """Read `results.json`, given itself or its folder, and `speed.json` beside it or elsewhere.

    Several are joined, their cells side by side. Where two have cells of one name, these are called by their folders,
    too. Baselines of one prompt and seed are taken once.

    Raises:
        ValueError: a file is missing or of another schema, several were scored in different ways, or there is no such
            reference cell.
    """
    read = [_read(path) for path in ([runs] if isinstance(runs, Path) else runs)]
    _check_comparable(read)
    folder, names = read[0].path.parent, cell_names(read)
    placed = [record for run, called in zip(read, names, strict=True) for record in run.placed(folder, called)]
    records = tuple({(r.cell, key_of(r)): r for r in reversed(placed)}.values())[::-1]
    known = {name for run in read for name in run.content["measures"]}
    measures = {name: measure for name, measure in discover().items() if name in known}
    if not measures:
        raise ValueError(f"{read[0].path}: no metric of it is known here ({', '.join(sorted(known)) or 'it has none'})")
    first = str(read[0].content["reference"])
    joined = {key: [one for run in read for one in run.content[key]] for key in ("failed",)}
    skipped = {name: why for run in read for name, why in run.content["skipped"].items() if name not in known}
    return Results(
        folder=folder,
        content={**read[0].content, **joined, "skipped": skipped},
        records=records,
        measures=measures,
        summary=summarise(records, measures, reference or names[0].get(first, first)),
        speed=_speeds(read, names, speed),
    )


def cell_names(runs: Sequence[Run]) -> list[dict[str, str]]:
    """What the cells of every run are called: as they are, and by their folder where another run has that name."""
    cells = [list(dict.fromkeys(r.cell for r in run.records if not r.baseline)) for run in runs]
    times = {cell: sum(cell in some for some in cells) for some in cells for cell in some}
    return [
        {cell: f"{run.path.parent.name}: {cell}" if times[cell] > 1 else cell for cell in some}
        for run, some in zip(runs, cells, strict=True)
    ]


def _read(given: Path) -> Run:
    path = given / RESULTS if given.is_dir() else given
    content = read_content(path)
    return Run(path, content, tuple(from_json(record) for record in content["videos"]))


def _check_comparable(runs: Sequence[Run]) -> None:
    for run in runs[1:]:
        for key in COMPARABLE:
            one, other = (known.content["protocol"][key] for known in (runs[0], run))
            if one != other:
                raise ValueError(
                    f"{run.path}: scored in another way than {runs[0].path} ({key} is {other!r}, not {one!r}); "
                    "run `reward-forcing evaluate` on both again"
                )


def _speeds(runs: Sequence[Run], called: Sequence[Mapping[str, str]], given: Path | None) -> dict[str, Any]:
    """All cells that were timed; the rest of the file is the first's."""
    found = [(run.path.with_name("speed.json"), names) for run, names in zip(runs, called, strict=True)]
    read: list[tuple[dict[str, Any], Mapping[str, str]]]
    read = [(read_speeds(path), names) for path, names in found if path.is_file()]
    if given is not None:
        read = [(read_speeds(given), {})]
    cells = [
        {**cell, "cell": called.get(cell["cell"], cell["cell"])} for file, called in read for cell in file["cells"]
    ]
    return {**read[0][0], "cells": cells} if read else {}
