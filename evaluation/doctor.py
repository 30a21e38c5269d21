"""What an evaluation could measure on this machine: libraries, weights, licences, and what it would cost."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from evaluation.backends.backend import Backend, File, Footage, discover
from evaluation.backends.equip import chosen_device
from evaluation.backends.locate import Shelf, check_keys, find, shelf
from evaluation.manifest import read_manifest
from evaluation.measure import choose
from reward_forcing.videos import probe

TYPICAL: Final = Footage(frames=81, height=480, width=832, fps=16)
"""The video that costs are told for when there is no manifest."""

SIDE: Final = 1024
"""Rows and columns of the matrices that the rate is measured with."""


@dataclass(frozen=True)
class Found:
    """A file of weights.

    Args:
        file: what is published.
        path: where it is; empty if it is not on disk.
        size: in bytes, of the file on disk, otherwise as published.
        licence: of it.
        hint: how to get it.
    """

    file: str
    path: str
    size: int
    licence: str
    hint: str


@dataclass(frozen=True)
class Finding:
    """An instrument, and whether it can be used.

    Args:
        instrument: its name.
        title: what it is.
        metrics: that need it.
        unimportable: libraries that are not installed.
        files: that it reads.
        gflop: of all videos.
        seconds: they take at the rate, at least.
    """

    instrument: str
    title: str
    metrics: tuple[str, ...]
    unimportable: tuple[str, ...]
    files: tuple[Found, ...]
    gflop: float
    seconds: float

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.unimportable and all(file.path for file in self.files)


@dataclass(frozen=True)
class Report:
    """All instruments, for some videos.

    Args:
        findings: one an instrument.
        videos: how many costs are told for.
        unreadable: videos of the manifest that cannot be opened, and are not counted.
        rate: GFLOP a second.
        device: on which.
    """

    findings: tuple[Finding, ...]
    videos: int
    unreadable: int
    rate: float
    device: str


def examine(
    manifest: Path | None, weights: Sequence[str | Path] = (), device: str = "auto", rate: float | None = None
) -> Report:
    """Look at every instrument; nothing is loaded or downloaded.

    Args:
        manifest: of the videos whose cost is wanted; one of 81 frames of 480 x 832 by default.
        weights: as of `evaluation.backends.equip`.
        device: where networks would run.
        rate: TFLOP a second that it reaches; measured with a product of matrices by default.

    Raises:
        ValueError: the manifest, the weights or the device is wrong, or the rate is not positive.
    """
    known, where, on = discover(), shelf(weights), chosen_device(device)
    check_keys(where, known)
    if rate is not None and rate <= 0:
        raise ValueError(f"rate is {rate}; it must be positive (TFLOP a second)")
    videos, unreadable = ([TYPICAL], 0) if manifest is None else footage(manifest)
    speed = 1000 * rate if rate else measured_rate(on)
    needs = {name: measure.needs for name, measure in choose(None).items()}
    findings = [_finding(backend, where, needs, videos, speed) for backend in known.values()]
    pixels = tuple(name for name, need in needs.items() if not set(need) & set(known))
    built_in = Finding("pixels", "no network", pixels, (), (), 0.0, 0.0)
    return Report((built_in, *findings), len(videos), unreadable, speed, str(on))


def _finding(
    backend: Backend, where: Shelf, needs: Mapping[str, Sequence[str]], videos: Iterable[Footage], rate: float
) -> Finding:
    cost = sum(backend.cost(video) for video in videos)
    return Finding(
        backend.name,
        backend.title,
        tuple(name for name, need in needs.items() if backend.name in need),
        tuple(backend.unimportable()),
        tuple(_found(file, where) for file in backend.files),
        cost,
        cost / rate,
    )


def _found(file: File, where: Shelf) -> Found:
    path = find(file, where)
    size = path.stat().st_size if path else file.size
    return Found(file.names[0], str(path or ""), size, file.licence, file.hint)


def footage(manifest: Path) -> tuple[list[Footage], int]:
    """Sizes of a manifest's videos, and how many cannot be opened. Raises ValueError if the manifest is wrong."""
    found = []
    entries = read_manifest(manifest)
    for entry in entries:
        try:
            seen = probe(entry.video)
        except (ValueError, OSError):
            continue
        found.append(Footage(seen.frames, seen.height, seen.width, entry.fps))
    return found, len(entries) - len(found)


def measured_rate(device: torch.device) -> float:
    """GFLOP a second of a product of matrices in fp32, the best of three: no network is faster."""
    matrix = torch.ones(SIDE, SIDE, device=device)
    seconds = []
    for _ in range(4):  # the first warms up
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / 1e9 / min(seconds[1:])


def told(report: Report) -> str:
    """The report in words: instruments that are ready first."""
    lines = []
    for finding in sorted(report.findings, key=lambda finding: not finding.ready):
        lines += [f"{'ready  ' if finding.ready else 'missing'} {', '.join(finding.metrics)}", *_details(finding)]
    costs = [finding for finding in report.findings if finding.gflop]
    ready = sum(finding.seconds for finding in costs if finding.ready)
    everything = sum(finding.seconds for finding in costs)
    what = f"{report.videos} videos" if report.videos != 1 else "one video"
    lost = f" ({report.unreadable} more cannot be opened)" if report.unreadable else ""
    lines.append(
        f"{what}{lost}: at least {_time(ready)} for what is ready, {_time(everything)} for everything, at "
        f"{report.rate / 1000:.3g} TFLOP/s on {report.device}"
    )
    return "\n".join(lines)


def _details(finding: Finding) -> list[str]:
    if not finding.files:
        return [f"          {finding.title}"]
    cost = f"{finding.gflop / 1000:.3g} TFLOP, at least {_time(finding.seconds)}"
    lines = [f"          {finding.title}: {cost}"]
    lines += [f"          {name} is not installed: pip install {name}" for name in finding.unimportable]
    for file in finding.files:
        place = file.path or f"not found; get it: {file.hint}"
        lines.append(f"          {file.file} ({_size(file.size)}; {file.licence}): {place}")
    return lines


def _size(count: int) -> str:
    """So many bytes, in words.

    >>> _size(4_000), _size(343_000_000), _size(1_710_000_000)
    ('4 kB', '343 MB', '1.71 GB')
    """
    size, unit = (1e3, "kB") if count < 1e6 else (1e6, "MB") if count < 1e9 else (1e9, "GB")
    return f"{count / size:.3g} {unit}"


def _time(seconds: float) -> str:
    """So long, in words.

    >>> _time(0.25), _time(90), _time(7200)
    ('0.25 s', '1.5 min', '2 h')
    """
    size, unit = (1, "s") if seconds < 60 else (60, "min") if seconds < 3600 else (3600, "h")
    return f"{seconds / size:.3g} {unit}"


def as_json(report: Report) -> str:
    """The report for programs."""
    known = asdict(report)
    known["findings"] = [{**asdict(finding), "ready": finding.ready} for finding in report.findings]
    return json.dumps(known, indent=2)
