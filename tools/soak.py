"""Long-run health: stream a student for a while, and see that memory, file handles, threads and latency stay flat.

`python tools/soak.py --minutes 60` prints a row a while and says at its end what was not flat (exit status 1).
`--twice` makes the same videos twice instead and compares the files byte by byte.
"""

import argparse
import gc
import hashlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from reward_forcing.composition.places import shipped

STUDENT: Final = shipped("checkpoints/toy/initial_student.safetensors")
PROMPT: Final = "red circle fast pan-slow"
OTHERS: Final = ("blue cross slow pan-fast", "green triangle medium pan-still")
"""What an endless video is switched between, so that switching is part of the soak."""

ROWS: Final = 12
MEMORY_SLACK: Final = 0.03
"""Share of the resident memory after the first row by which it may grow: pages of the allocator come and go."""

LATENCY_SLACK: Final = 1.25
"""How many times what a chunk takes may grow from the first half to the second. It is the processor's time that is
judged, of all threads: what others do on the machine lengthens the latency, but hardly that."""


@dataclass(frozen=True)
class Row:
    """What was seen in one part of a soak. Milliseconds are of chunks: by the clock, and of the processor."""

    minutes: float
    chunks: int
    memory_mb: float
    files: int
    threads: int
    objects: int
    median_ms: float
    worst_ms: float
    cpu_ms: float

    def __str__(self) -> str:
        return (
            f"{self.minutes:8.1f} {self.chunks:9d} {self.memory_mb:10.1f} {self.files:6d} {self.threads:8d} "
            f"{self.objects:9d} {self.median_ms:10.2f} {self.worst_ms:9.1f} {self.cpu_ms:10.2f}"
        )


HEADER: Final = " minutes    chunks  memory MB  files  threads   objects  median ms  worst ms     CPU ms"

Lap: TypeAlias = tuple[float, float]
"""Seconds that a chunk took, by the clock and of the processor."""


def soak(chunks: Iterator[Any], seconds: float, rows: int = ROWS, tell: Callable[[str], object] = print) -> list[Row]:
    """Consume a stream for so long; a row for each of so many equal parts. The first chunk, which loads, is before."""
    tell(HEADER)
    next(chunks)
    started, seen = time.perf_counter(), []
    for part in range(1, rows + 1):
        laps = list(timed(chunks, until=started + seconds * part / rows))
        seen.append(row((time.perf_counter() - started) / 60, laps))
        tell(str(seen[-1]))
    return seen


def timed(chunks: Iterator[Any], until: float) -> Iterator[Lap]:
    """What every chunk took, up to a moment; one at least."""
    now, worked = time.perf_counter(), time.process_time()
    for _ in chunks:
        before, now = now, time.perf_counter()
        worked_before, worked = worked, time.process_time()
        yield now - before, worked - worked_before
        if now >= until:
            return


def row(minutes: float, laps: Sequence[Lap]) -> Row:
    """The process as it is now."""
    gc.collect()
    took, worked = zip(*laps, strict=True)
    return Row(
        minutes=minutes,
        chunks=len(laps),
        memory_mb=resident_bytes() / 1e6,
        files=entries("fd"),
        threads=entries("task"),
        objects=len(gc.get_objects()),
        median_ms=1000 * statistics.median(took),
        worst_ms=1000 * max(took),
        cpu_ms=1000 * statistics.median(worked),
    )


def entries(kind: str) -> int:
    """How many files this process has open ("fd"), or how many threads ("task"), those of libraries, too."""
    return sum(1 for _ in Path("/proc/self", kind).iterdir())


def resident_bytes() -> int:
    """Memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def faults(rows: Sequence[Row]) -> list[str]:
    """What grew. The first row is warm-up and does not count."""
    first, last, half = rows[1], rows[-1], len(rows) // 2
    early, late = (statistics.median(row.cpu_ms for row in part) for part in (rows[1:half], rows[half:]))
    found = {
        f"memory grew from {first.memory_mb:.1f} to {last.memory_mb:.1f} MB": last.memory_mb
        > first.memory_mb * (1 + MEMORY_SLACK),
        f"open files grew from {first.files} to {last.files}": last.files > first.files,
        f"threads grew from {first.threads} to {last.threads}": last.threads > first.threads,
        f"objects grew from {first.objects} to {last.objects}": last.objects > first.objects + first.objects // 100,
        f"the work of a chunk grew from {early:.2f} to {late:.2f} ms": late > early * LATENCY_SLACK,
    }
    return [told for told, wrong in found.items() if wrong]


def endless(student: Path) -> Iterator[Any]:
    """Chunks of a video without end, whose prompt changes every 50 chunks for a while; then of the next one."""
    from reward_forcing.streaming import load_streamer

    streamer = load_streamer(student)
    for seed in itertools.count():
        frames = streamer.geometry.chunk_frames
        switches = {50 * frames * place: OTHERS[place % 2] for place in range(1, 20)}
        yield from streamer.stream([PROMPT], [seed], chunks=1000, switches=switches)


def digests(student: Path, folder: Path) -> dict[str, str]:
    """Make some videos; the digest of every file but what tells times."""
    from reward_forcing import cli

    told = ["generate", str(student), "--prompts", PROMPT, *OTHERS, "--frames", "48", "--sink", "ema", "static"]
    status = cli.main([*told, "--out", str(folder), "--device", "cpu", "--batch", "2"])
    assert not status
    files = sorted(path for path in (folder / "videos").rglob("*") if path.suffix in {".mkv", ".gif", ".png"})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def compare(student: Path) -> int:
    """Make the same videos twice; 1 if a file differs."""
    with tempfile.TemporaryDirectory() as place:
        one, other = (digests(student, Path(place) / name) for name in ("one", "other"))
    differing = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    print(f"{len(one)} files made twice; differing: {', '.join(differing) or 'none'}")
    return int(bool(differing))


def main() -> int:
    """Soak, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--student", type=Path, default=STUDENT, help="an export (default: the shipped one)")
    parser.add_argument("--out", type=Path, help="write the rows as JSON, too")
    parser.add_argument("--twice", action="store_true", help="make videos twice and compare their bytes instead")
    given = parser.parse_args()
    if given.twice:
        return compare(given.student)
    rows = soak(endless(given.student), 60 * given.minutes)
    if given.out:
        given.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    found = faults(rows)
    print(f"{sum(row.chunks for row in rows)} chunks; {'; '.join(found) or 'all flat'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
