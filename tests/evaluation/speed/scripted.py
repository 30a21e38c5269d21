"""Streams whose times, frames and memory are known by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from evaluation.speed.clocks import HostClock, Watch
from evaluation.speed.gauges import HostMemory, Power
from evaluation.speed.harness import Cell, Instruments, Stream, measure
from evaluation.speed.runs import DECODE, DENOISE, TEXT, Run, Speed


def picture(frames: int = 3, batch: int = 1, size: int = 8, seed: int = 0) -> Tensor:
    """Frames of a smooth picture that moves, as levels."""
    x = torch.linspace(0, 3, size)
    time = torch.arange(frames)[:, None, None] + seed
    waves = 127 + 100 * torch.sin(x[:, None] + x[None] + 0.3 * time)
    return waves.to(torch.uint8)[None, :, None].expand(batch, frames, 3, size, size).contiguous()


@dataclass
class World:
    """A clock that only moves when a stream works, and a memory that only grows when it is told."""

    now: float = 0.0
    held: int = 100
    started: list[str] = field(default_factory=list)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(HostClock(lambda: self.now))

    def work(self, seconds: float) -> None:
        self.now += seconds

    def stream(
        self, name: str, seconds: Sequence[float], *, frames: int = 3, leak: int = 0, cold: float = 0.0, **more: Any
    ) -> Stream:
        """A stream whose chunks take so many seconds; the first video takes `cold` more."""

        def start() -> Iterator[Tensor]:
            self.work(0.0 if name in self.started else cold)
            self.started.append(name)
            for index, duration in enumerate(seconds):
                self.work(duration)
                self.held += leak
                yield picture(frames, seed=index, **more)

        return start

    def staged(self, text: float, denoise: Sequence[float], decode: float) -> Stream:
        """A stream that tells its stages."""

        def start() -> Iterator[Tensor]:
            with self.watch.stage(TEXT):
                self.work(text)
            for index, duration in enumerate(denoise):
                self.work(duration)
                with self.watch.stage(DECODE):
                    self.work(decode)
                yield picture(seed=index)

        return start

    @property
    def instruments(self) -> Instruments:
        return Instruments(self.watch, HostMemory(lambda: self.held), Power())

    def cell(self, name: str, seconds: Sequence[float], ramp: int | None = 0, **more: Any) -> Cell:
        return Cell(name=name, start=self.stream(name, seconds, **more), ramp=ramp)

    def measure(self, *cells: Cell, **more: Any) -> tuple[Speed, ...]:
        return measure(cells, **{"playback": 10, "read": self.instruments, **more})

    def student(self, ramp: int = 1) -> Cell:
        """A second of text, then chunks of half a second and a quarter of decoding."""
        start = self.staged(1.0, [0.25, 0.5, 0.5, 0.5], 0.25)
        return Cell(name="student", start=start, ramp=ramp, rest=DENOISE, settings={"sink": "ema"})


def run(seconds: Sequence[float], frames: int = 3, **more: Any) -> Run:
    """A run of equal chunks."""
    return Run(tuple(seconds), (frames,) * len(seconds), **more)
