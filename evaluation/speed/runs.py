"""Timed videos, and what follows from them: rates, latencies, slopes. Pure functions of numbers.

Seconds are those of a client: from the request for a chunk to having it as levels 0 to 255 in the memory of the host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from evaluation.speed.playback import buffer_needed, stalls
from evaluation.speed.quality import Stamp

DENOISE: Final = "denoise"
"""Denoising passes, the context pass of the chunk before, and remembering it."""
DECODE: Final = "decode"
TEXT: Final = "text"
COPY: Final = "copy"
"""To levels 0 to 255, and to the host."""
STREAM: Final = "stream"
"""All that a stream of others does: it tells no stages."""

SCOPES: Final[dict[str, tuple[str, ...]]] = {"denoiser": (DENOISE,), "codec": (DENOISE, DECODE), "end_to_end": ()}
"""What may be inside the times, by the stages; the last: everything a client waits for."""

TITLES: Final = {"denoiser": "denoiser", "codec": "denoiser + codec", "end_to_end": "end to end"}

SETTLED: Final = 0.1
"""A chunk within this share of the final level belongs to the steady part."""


@dataclass(frozen=True)
class Run:
    """One video, timed; every field has one value a chunk."""

    seconds: tuple[float, ...]
    """From each request to its chunk, on the wall."""
    frames: tuple[int, ...]
    """Video frames of one video in each chunk."""
    memory: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Bytes, by kind (see `gauges`); the first kind is what was in use when the chunk had come."""
    stages: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Seconds of each stage."""
    joules: tuple[float, ...] = ()
    """Energy; empty where it is not measured."""
    before: int = 0
    """Bytes in use before the video began."""
    size: tuple[int, int, int] = (1, 0, 0)
    """Videos at once, rows and columns of pixels."""
    stamp: Stamp | None = None
    """Of the frames."""

    @property
    def first(self) -> float:
        """Seconds to the first chunk: its first frame cannot be shown earlier."""
        return self.seconds[0]

    @property
    def held(self) -> tuple[int, ...]:
        """Bytes in use when each chunk had come."""
        return next(iter(self.memory.values()), ())

    @property
    def disagreement(self) -> float:
        """How far the stages are, in sum, from the wall clock, relative to it; 0 without stages."""
        told, wall = sum(map(sum, self.stages.values())), sum(self.seconds)
        return abs(told - wall) / wall if self.stages and wall else 0.0

    def after(self, ramp: int) -> "Run":
        """The run without its first `ramp` chunks, or all of it if it is not longer."""
        skip = ramp if len(self.seconds) > ramp else 0
        return replace(
            self,
            seconds=self.seconds[skip:],
            frames=self.frames[skip:],
            memory={kind: values[skip:] for kind, values in self.memory.items()},
            stages={stage: values[skip:] for stage, values in self.stages.items()},
            joules=self.joules[skip:],
        )

    def only(self, stages: Sequence[str]) -> "Run":
        """The run as if nothing but these stages took time."""
        return replace(self, seconds=tuple(map(sum, zip(*(self.stages[stage] for stage in stages), strict=True))))


@dataclass(frozen=True)
class Speed:
    """The runs of one cell: a first one that pays for all warming up, and those that count.

    Chunks before `ramp` see a memory that still fills; from then on every chunk should cost the same.
    """

    cell: str
    cold: Run
    runs: tuple[Run, ...]
    ramp: int
    playback: float
    """Frames per second a viewer sees."""
    buffer: float = 0.0
    """Seconds a player waits after the first chunk before it plays."""
    scope: str = "end_to_end"

    @property
    def scopes(self) -> list[str]:
        """The scopes that the stages allow to tell apart: without decoding marked, denoising is not known either."""
        told = all({DENOISE, DECODE} <= set(run.stages) for run in self.runs)
        return [name for name, stages in SCOPES.items() if told or not stages]

    def within(self, scope: str) -> "Speed":
        """The same cell with only a scope inside the times."""
        stages = SCOPES[scope]
        if not stages:
            return self
        return replace(
            self, cold=self.cold.only(stages), runs=tuple(run.only(stages) for run in self.runs), scope=scope
        )

    @property
    def steady(self) -> tuple[Run, ...]:
        """The runs without their ramp; whole runs where nothing else would be left (one chunk is a whole clip)."""
        return tuple(run.after(self.ramp) for run in self.runs)

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
    def ramp_fps(self) -> float:
        """As `fps`, of the ramp alone; NaN where there is none."""
        parts = [(run.frames[: self.ramp], run.seconds[: self.ramp]) for run in self.runs]
        frames, seconds = (sum(sum(part[i]) for part in parts) for i in (0, 1))
        return frames / seconds if self.ramp and self.ramp < len(self.runs[0].seconds) else float("nan")

    @property
    def first_frame(self) -> float:
        """Median seconds to the first frame, warm."""
        return float(np.median([run.first for run in self.runs]))

    def percentile(self, share: float) -> float:
        """Seconds that `share` (0 to 100) of the steady chunks need at most, between neighbours by linear weights."""
        return float(np.percentile([second for run in self.steady for second in run.seconds], share))

    @property
    def slope(self) -> float:
        """Mean over runs of the least-squares slope of a chunk's seconds over its index."""
        return float(np.mean([slope(run.seconds) for run in self.steady]))

    @property
    def growth(self) -> float:
        """`slope` relative to the mean chunk; 0: constant cost."""
        return float(np.mean([slope(run.seconds) / np.mean(run.seconds) for run in self.steady]))

    @property
    def memory_slope(self) -> float:
        """Median over runs of the least-squares slope of the bytes in use over the chunk's index."""
        return float(np.median([slope(run.held) for run in self.steady]))

    @property
    def memory_growth(self) -> int:
        """Median bytes by which memory grew from the first to the last steady chunk; 0: constant in length."""
        return int(np.median([run.held[-1] - run.held[0] if run.held else 0 for run in self.steady]))

    def peak(self, kind: str) -> int:
        """Most bytes of a kind in the steady parts."""
        return max((max(run.memory[kind]) for run in self.steady if run.memory.get(kind)), default=0)

    @property
    def joules(self) -> float:
        """Energy of a steady frame; NaN where it is not measured."""
        spent = [sum(run.joules) for run in self.steady if run.joules]
        return sum(spent) / sum(sum(run.frames) for run in self.steady) if spent else float("nan")

    @property
    def stalls(self) -> tuple[int, float]:
        """Stops, and seconds stopped, of the worst run when it is played while it comes."""
        return max(stalls(run.seconds, run.frames, self.playback, self.buffer) for run in self.runs)

    @property
    def buffer_needed(self) -> float:
        """Seconds that a player must wait after the first chunk so that no run would have stalled."""
        return max(buffer_needed(run.seconds, run.frames, self.playback) for run in self.runs)

    def medians(self) -> tuple[float, ...]:
        """Seconds of every chunk, median over runs; as many as the shortest run has."""
        return tuple(float(np.median(seconds)) for seconds in zip(*(run.seconds for run in self.runs), strict=False))


def slope(values: Sequence[float]) -> float:
    """Least-squares slope over the index; 0 for fewer than two values."""
    index = np.arange(len(values)) - (len(values) - 1) / 2
    return float(index @ np.asarray(values) / (index @ index)) if len(values) > 1 else 0.0


def detect_ramp(seconds: Sequence[float]) -> int:
    """How many chunks come before the times have settled, for streams that do not tell.

    Settled is the first of two neighbours within `SETTLED` of the median of the second half; the ramp takes half of the
    video at most.
    """
    half = len(seconds) // 2
    level = float(np.median(seconds[half:]))
    settled = [abs(second - level) <= SETTLED * level for second in seconds]
    return next((i for i in range(half) if settled[i] and settled[i + 1]), half)
