"""Times anything that yields chunks of video, several systems side by side and all by one rule.

The rule: a chunk is there when its levels 0 to 255 lie in the memory of the host. What the stream does until then
(text encoding, denoising, decoding) is inside the time, and so is the copy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from evaluation.speed.clocks import HostClock, Watch
from evaluation.speed.environment import refuse
from evaluation.speed.gauges import Gauge, HostMemory, Power, resident_bytes
from evaluation.speed.quality import Stamping
from evaluation.speed.runs import COPY, STREAM, Run, Speed, detect_ramp
from evaluation.speed.work import Work
from reward_forcing.videos import to_uint8

Stream: TypeAlias = Callable[[], Iterator[Tensor]]
"""Starts one fresh video; what belongs to the time to the first frame happens in it or in its iterator.

It yields decoded video frames [batch, frame, 3, height, width]: levels 0 to 255 (uint8) or numbers in [-1, 1] (any
float). They may be on any device.
"""

SIZE: Final = ("batch", "height", "width")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of a comparison.

    Args:
        name: what it is called.
        start: what is timed.
        ramp: chunks until its memory is full; None: found in the times.
        rest: the stage of the time in which it tells no other.
        prompt: of the video.
        settings: what the stream is, for the fingerprint.
        work: operations and bytes that its chunks must cost, if they are known.
    """

    name: str
    start: Stream
    ramp: int | None = None
    rest: str = STREAM
    prompt: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    work: Work | None = None


@dataclass(frozen=True)
class Instruments:
    """What is read while streams run.

    Args:
        watch: the stopwatch; streams that tell their stages have the same one.
        gauge: of memory.
        power: of energy.
        tick: called with the name of the cell after every chunk, outside the times.
    """

    watch: Watch = field(default_factory=lambda: Watch(HostClock()))
    gauge: Gauge = field(default_factory=lambda: HostMemory(resident_bytes))
    power: Power = field(default_factory=Power)
    tick: Callable[[str], object] = str


def on_host(chunk: object, name: str) -> Tensor:
    """A chunk as a client wants it: levels 0 to 255 in the memory of the host.

    Raises:
        ValueError: it is no tensor of video frames.
    """
    if not isinstance(chunk, Tensor):
        kind = type(chunk).__name__
        raise ValueError(f"speed: {name} yields a {kind}; allowed: tensors")  # noqa: TRY004 (the user's stream)
    if chunk.ndim != 5 or chunk.shape[2] != 3 or not (chunk.dtype == torch.uint8 or chunk.is_floating_point()):
        raise ValueError(
            f"speed: {name} yields {chunk.dtype} {tuple(chunk.shape)}; "
            "allowed: uint8 or float [batch, frame, 3, height, width]"
        )
    return (chunk if chunk.dtype == torch.uint8 else to_uint8(chunk)).cpu()


def time_run(cell: Cell, read: Instruments) -> Run:
    """Time one video. Taking notes is not the stream's time.

    Raises:
        ValueError: the stream is empty, or yields something else than video frames.
    """
    laps, noted, stamping = [], [], Stamping(cell.prompt)
    frames: list[int] = []
    size, before = (0, 0, 0), next(iter(read.gauge.read().values()), 0)
    energy = _begin(cell, read)
    for chunk in cell.start():
        with read.watch.stage(COPY):
            levels = on_host(chunk, cell.name)
        laps.append(read.watch.stop())
        noted.append((read.gauge.read(), _since(energy, read.power.joules())))
        frames.append(int(chunk.shape[1]))
        size = (int(chunk.shape[0]), int(chunk.shape[3]), int(chunk.shape[4]))
        stamping.add(levels, finite=not chunk.is_floating_point() or bool(chunk.isfinite().all()))
        read.tick(cell.name)
        del chunk, levels
        energy = _begin(cell, read)
    if not laps:
        raise ValueError(f"speed: {cell.name} yields no chunk; at least one is needed")
    stages = dict.fromkeys(name for lap in laps for name in lap.stages)
    return Run(
        seconds=tuple(lap.seconds for lap in laps),
        frames=tuple(frames),
        memory={kind: tuple(held[kind] for held, _ in noted) for kind in noted[0][0]},
        stages={stage: tuple(lap.stages.get(stage, 0.0) for lap in laps) for stage in stages},
        joules=tuple(spent for _, spent in noted if spent is not None),
        before=before,
        size=size,
        stamp=stamping.stamp(),
    )


def _begin(cell: Cell, read: Instruments) -> float | None:
    """Ask for the next chunk: energy until now; the watch runs."""
    read.gauge.reset()
    energy = read.power.joules()
    read.watch.start(cell.rest)
    return energy


def _since(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def measure(
    cells: Sequence[Cell],
    *,
    playback: float,
    buffer: float = 0.0,
    warmups: int = 1,
    repeats: int = 3,
    read: Instruments | None = None,
    force: bool = False,
) -> tuple[Speed, ...]:
    """Time several streams side by side: cells take turns, in reversed order every other time, so that drift cancels.

    Args:
        cells: what to time.
        playback: frames per second a viewer sees.
        buffer: seconds a player waits after the first chunk.
        warmups: whole videos before it counts; the very first is reported as "cold".
        repeats: whole videos that count.
        read: clocks and gauges; those of a CPU by default.
        force: compare videos of different sizes.

    Raises:
        ValueError: fewer than one warm-up or repeat, a name twice, an empty stream, or streams of different sizes.
    """
    for name, value, least in (("warmups", warmups, 1), ("repeats", repeats, 1), ("cells", len(cells), 1)):
        if value < least:
            raise ValueError(f"speed: {name} is {value}; it must be at least {least}")
    if playback <= 0 or buffer < 0:
        raise ValueError(f"speed: playback is {playback} and buffer {buffer}; allowed: above 0, and at least 0")
    names = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        raise ValueError(f"speed: two cells have one name: {', '.join(names)}; give each its own")
    instruments = read or Instruments()
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(warmups + repeats):
        for cell in cells if turn % 2 == 0 else reversed(cells):
            runs[cell.name].append(time_run(cell, instruments))
        if turn == 0:
            sizes = {name: dict(zip(SIZE, done[0].size, strict=True)) for name, done in runs.items()}
            refuse(sizes, force=force)
    speeds = [_speed(cell, runs[cell.name], warmups, playback) for cell in cells]
    return tuple(replace(speed, buffer=buffer) for speed in speeds)


def _speed(cell: Cell, runs: Sequence[Run], warmups: int, playback: float) -> Speed:
    speed = Speed(cell.name, cold=runs[0], runs=tuple(runs[warmups:]), ramp=0, playback=playback)
    return replace(speed, ramp=detect_ramp(speed.medians()) if cell.ramp is None else cell.ramp)
