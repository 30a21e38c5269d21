"""How fast videos come: frames per second, time to first frame, stalls and memory of anything that yields chunks.

A stream is timed as its client sees it: from the request for a chunk to having it. What the number contains (text
encoding, denoising, decoding) is what the stream does in between; say it in `scope`.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from evaluation.table import plain, write_json

SCHEMA: Final = "reward-forcing/speed/1"


class Chunk(Protocol):
    """What a stream yields: decoded video frames, a tensor [batch, video_frame, ...]."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes; the second is the number of video frames."""


Stream: TypeAlias = Callable[[], Iterator[Chunk]]
"""Starts one fresh video; what belongs to the time to the first frame happens in it or in its iterator."""


@dataclass(frozen=True)
class Run:
    """One video, timed."""

    seconds: tuple[float, ...]
    """From each request to its chunk."""
    frames: tuple[int, ...]
    """Video frames in each chunk."""
    memory: tuple[int, ...]
    """Bytes in use after each chunk."""

    @property
    def first(self) -> float:
        """Seconds to the first chunk: its first frame cannot be shown earlier."""
        return self.seconds[0]


@dataclass(frozen=True)
class Speed:
    """The runs of one cell: a first one that pays for all warming up, and those that count.

    Chunks before `ramp` see a memory that still fills; from then on every chunk should cost the same.
    """

    cell: str
    scope: str
    cold: Run
    runs: tuple[Run, ...]
    ramp: int
    playback: float
    """Frames per second a viewer sees."""

    @property
    def steady(self) -> tuple[Run, ...]:
        """The runs without their ramp; whole runs where nothing else would be left (one chunk is a whole clip)."""
        return tuple(after(run, self.ramp) for run in self.runs)

    @property
    def fps(self) -> float:
        """All frames over all seconds of the steady parts: a ratio of sums, not a mean of ratios."""
        return sum(sum(run.frames) for run in self.steady) / sum(sum(run.seconds) for run in self.steady)

    @property
    def fps_range(self) -> tuple[float, float]:
        """The slowest and the fastest run."""
        rates = [sum(run.frames) / sum(run.seconds) for run in self.steady]
        return min(rates), max(rates)

    @property
    def whole_fps(self) -> float:
        """As `fps`, ramp included: frames over the time a viewer waits for whole videos."""
        return sum(sum(run.frames) for run in self.runs) / sum(sum(run.seconds) for run in self.runs)

    @property
    def first_frame(self) -> float:
        """Median seconds to the first frame, warm."""
        return float(np.median([run.first for run in self.runs]))

    def percentile(self, share: float) -> float:
        """Seconds that `share` (0 to 100) of the steady chunks need at most."""
        return float(np.percentile([second for run in self.steady for second in run.seconds], share))

    @property
    def growth(self) -> float:
        """Least-squares slope of a chunk's seconds over its index, relative to the mean chunk; 0: constant cost."""
        return float(np.mean([slope(run.seconds) / np.mean(run.seconds) for run in self.steady]))

    @property
    def memory_growth(self) -> int:
        """Median bytes by which memory grew from the first to the last steady chunk; 0: constant in length."""
        return int(np.median([run.memory[-1] - run.memory[0] for run in self.steady]))

    @property
    def peak(self) -> int:
        """Most bytes in use after a chunk."""
        return max(max(run.memory) for run in (self.cold, *self.runs))

    @property
    def stalls(self) -> tuple[int, float]:
        """Stops, and seconds stopped, of the worst run when it is played while it comes."""
        return max(stalls(run, self.playback) for run in self.runs)


def after(run: Run, ramp: int) -> Run:
    """A run without its first `ramp` chunks, or all of it if it is not longer."""
    skip = ramp if len(run.seconds) > ramp else 0
    return Run(run.seconds[skip:], run.frames[skip:], run.memory[skip:])


def slope(values: Sequence[float]) -> float:
    """Least-squares slope over the index; 0 for fewer than two values."""
    index = np.arange(len(values)) - (len(values) - 1) / 2
    return float(index @ np.asarray(values) / max(index @ index, 1))


def stalls(run: Run, playback: float, buffer: float = 0.0) -> tuple[int, float]:
    """Play a run while it comes, from `buffer` seconds after the first chunk on.

    Returns:
        How often the player waited for a chunk, and for how many seconds in all.
    """
    arrived = np.cumsum(run.seconds)
    due, count, waited = arrived[0] + buffer, 0, 0.0
    for arrival, frames in zip(arrived, run.frames, strict=True):
        late = arrival - due
        if late > 1e-9:
            count, waited, due = count + 1, waited + float(late), arrival
        due += frames / playback
    return count, waited


def resident_bytes() -> int:
    """Memory of this process now (Linux), elsewhere its peak so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def time_run(stream: Stream, clock: Callable[[], float], memory: Callable[[], int]) -> Run:
    """Time one video. On an accelerator the clock must wait for it (see `cuda_clock`).

    Raises:
        ValueError: the stream is empty.
    """
    seconds, frames, held = [], [], []
    before = clock()
    for chunk in stream():
        now = clock()
        seconds.append(now - before)
        frames.append(int(chunk.shape[1]))
        held.append(memory())
        before = clock()  # taking notes is not the stream's time
    if not seconds:
        raise ValueError("speed: the stream yields no chunk; at least one is needed")
    return Run(tuple(seconds), tuple(frames), tuple(held))


def measure(
    streams: Mapping[str, Stream],
    *,
    playback: float,
    ramp: int | Mapping[str, int] = 0,
    warmups: int = 1,
    repeats: int = 3,
    scope: str = "denoising, context pass and decoding",
    clock: Callable[[], float] = time.perf_counter,
    memory: Callable[[], int] = resident_bytes,
) -> tuple[Speed, ...]:
    """Time several streams side by side: cells take turns, in reversed order every other time, so that drift cancels.

    Args:
        streams: what to time, by the name of the cell.
        playback: frames per second a viewer sees.
        ramp: chunks until the memory is full, for all cells or for each.
        warmups: whole videos before it counts; the very first is reported as "cold".
        repeats: whole videos that count.
        scope: what is inside the times.
        clock: seconds.
        memory: bytes in use.

    Raises:
        ValueError: fewer than one warm-up or repeat, or an empty stream.
    """
    for name, value in (("warmups", warmups), ("repeats", repeats)):
        if value < 1:
            raise ValueError(f"speed: {name} is {value}; it must be at least 1")
    cells = list(streams)
    runs: dict[str, list[Run]] = {cell: [] for cell in cells}
    for turn in range(warmups + repeats):
        for cell in cells if turn % 2 == 0 else reversed(cells):
            runs[cell].append(time_run(streams[cell], clock, memory))
    ramps = {cell: ramp if isinstance(ramp, int) else ramp.get(cell, 0) for cell in cells}
    return tuple(
        Speed(cell, scope, cold=runs[cell][0], runs=tuple(runs[cell][warmups:]), ramp=ramps[cell], playback=playback)
        for cell in cells
    )


def cuda_clock() -> float:
    """Seconds, once the accelerator has done all it was asked for."""
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def figures(speed: Speed) -> dict[str, float]:
    """The numbers of a speed table, by name; seconds, frames per second, bytes."""
    count, waited = speed.stalls
    return {
        "fps": speed.fps,
        "fps_slowest_run": speed.fps_range[0],
        "fps_fastest_run": speed.fps_range[1],
        "fps_with_ramp": speed.whole_fps,
        "first_frame_s": speed.first_frame,
        "first_frame_cold_s": speed.cold.first,
        "chunk_p50_s": speed.percentile(50),
        "chunk_p90_s": speed.percentile(90),
        "chunk_p99_s": speed.percentile(99),
        "realtime": speed.fps / speed.playback,
        "stalls": count,
        "stalled_s": waited,
        "growth_per_chunk": speed.growth,
        "memory_peak": speed.peak,
        "memory_growth": speed.memory_growth,
    }


def write_speeds(path: Path, speeds: Sequence[Speed], environment: Mapping[str, Any] | None = None) -> None:
    """Write `speed.json`: figures and all runs of every cell, and where they were measured."""
    cells = [{"cell": s.cell, "figures": {k: plain(v) for k, v in figures(s).items()}, **_runs(s)} for s in speeds]
    surroundings: dict[str, Any] = {**machine(), **(environment or {})}
    write_json(path, {"schema": SCHEMA, "environment": surroundings, "cells": cells})


def _runs(speed: Speed) -> dict[str, Any]:
    return {
        "scope": speed.scope,
        "ramp": speed.ramp,
        "playback": speed.playback,
        "cold": asdict(speed.cold),
        "runs": [asdict(run) for run in speed.runs],
    }


def machine() -> dict[str, Any]:
    """What the times depend on."""
    import platform

    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__}
