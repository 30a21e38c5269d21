"""Clocks, and a stopwatch with stages.

On a GPU the host is far ahead of the work it asked for. Stages are therefore bounded by events in the GPU's own queue,
and the host waits once a chunk, when it is delivered, as any client would.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Clock(Protocol):
    """Tells the time on the wall, and marks points of the work."""

    def now(self) -> float:
        """Seconds on the wall."""
        ...

    def mark(self) -> Any:
        """A point in the work asked for so far; does not wait."""
        ...

    def between(self, start: Any, stop: Any) -> float:
        """Seconds between two marks; both must have been waited for."""
        ...

    def wait(self) -> None:
        """Return when all that was asked for is done."""
        ...


@dataclass(frozen=True)
class HostClock:
    """Work is done when the call returns."""

    read: Callable[[], float] = time.perf_counter

    def now(self) -> float:
        """Seconds."""
        return self.read()

    def mark(self) -> float:
        """The time."""
        return self.read()

    def between(self, start: float, stop: float) -> float:
        """The difference."""
        return stop - start

    def wait(self) -> None:
        """Nothing is outstanding."""


@dataclass(frozen=True)
class CudaClock:
    """Marks are events in the current queue of a GPU."""

    device: str = "cuda"

    def now(self) -> float:
        """Seconds."""
        return time.perf_counter()

    def mark(self) -> torch.cuda.Event:
        """An event, recorded."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def between(self, start: torch.cuda.Event, stop: torch.cuda.Event) -> float:
        """Seconds the GPU needed from one to the other."""
        return float(start.elapsed_time(stop)) / 1000

    def wait(self) -> None:
        """Until all queues of the GPU are empty."""
        torch.cuda.synchronize(self.device)


def clock_of(device: str) -> Clock:
    """The clock that suits a device."""
    return CudaClock(device) if device.startswith("cuda") else HostClock()


@dataclass(frozen=True)
class Lap:
    """What a stopwatch found: seconds on the wall, and of every stage."""

    seconds: float
    stages: dict[str, float]


class Watch:
    """A stopwatch with stages; a stage inside another is not the outer's time.

    Args:
        clock: to read.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._began = 0.0
        self._marks: list[tuple[str, Any]] = []

    def start(self, stage: str) -> None:
        """Begin, in a stage."""
        self._began = self.clock.now()
        self._marks = [(stage, self.clock.mark())]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done within is a stage of its own. Does nothing while the watch stands."""
        if not self._marks:
            yield
            return
        outer = self._marks[-1][0]
        self._marks.append((name, self.clock.mark()))
        yield
        self._marks.append((outer, self.clock.mark()))

    def stop(self) -> Lap:
        """Wait until everything is done, and stand."""
        self._marks.append(("", self.clock.mark()))
        self.clock.wait()
        seconds, stages = self.clock.now() - self._began, dict[str, float]()
        for (name, start), (_, stop) in zip(self._marks, self._marks[1:], strict=False):
            stages[name] = stages.get(name, 0.0) + self.clock.between(start, stop)
        self._marks = []
        return Lap(seconds, stages)
