"""The job behind `reward-forcing benchmark`: build what is to be timed, time it, write it down."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from evaluation.speed.cells import foreign_cell, student_cell
from evaluation.speed.clocks import Watch, clock_of
from evaluation.speed.environment import load
from evaluation.speed.figures import Timed
from evaluation.speed.gauges import Power, gauge_of, power_of
from evaluation.speed.harness import Cell, Instruments, measure
from evaluation.speed.runs import SCOPES, Speed
from evaluation.speed.tables import sheets
from evaluation.speed.work import Ceiling, ceiling_of
from evaluation.speed.writing import beside, content, read_speeds, write_all
from reward_forcing.composition.places import shipped
from reward_forcing.generate import way
from reward_forcing.streaming import Equipment, MemoryWish, Streamer, load_streamer

EXPORT: Final = "checkpoints/toy/initial_student.safetensors"
PROMPT: Final = "red circle slow pan-slow"
PLAYBACK: Final = 16.0
"""Frames a second of a video, where nothing says otherwise: Wan's."""
BUSY: Final = 0.5
"""Processes a core that wanted to run before the start."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be timed, and how.

    Args:
        export: a student; None: the shipped toy student, or none if there are streams of others.
        wishes: ways to remember, one cell each.
        equipment: codec, precision and device.
        streams: of others, `package.module:function`.
        prompt: what students show.
        seed: of their noise.
        chunks: of a student's video.
        warmups: videos that do not count.
        repeats: videos that count.
        scopes: which to tell of.
        playback: frames per second when played; None: as the export notes.
        buffer: seconds a player waits after the first chunk.
        against: earlier results to put beside.
        force: compare what is not comparable.

    Raises:
        ValueError: a number is not positive, or there is no such scope.
    """

    export: str | None = None
    wishes: Sequence[MemoryWish] = (MemoryWish(),)
    equipment: Equipment = field(default_factory=Equipment)
    streams: Sequence[str] = ()
    prompt: str = PROMPT
    seed: int = 0
    chunks: int = 30
    warmups: int = 1
    repeats: int = 3
    scopes: Sequence[str] = tuple(SCOPES)
    playback: float | None = None
    buffer: float = 0.0
    against: Sequence[Path] = ()
    force: bool = False

    def __post_init__(self) -> None:
        for name in ("chunks", "warmups", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"benchmark: {name} is {getattr(self, name)}; it must be at least 1")
        if (self.playback is not None and self.playback <= 0) or self.buffer < 0:
            raise ValueError(
                f"benchmark: playback is {self.playback} and buffer {self.buffer}; allowed: above 0, and at least 0"
            )
        strange = sorted(set(self.scopes) - set(SCOPES))
        if strange:
            raise ValueError(f"benchmark: there is no scope {strange[0]!r}; allowed: {', '.join(SCOPES)}")

    @property
    def source(self) -> str | None:
        """The student to time, if there is one."""
        return self.export or (None if self.streams else str(shipped(EXPORT)))

    @property
    def videos(self) -> int:
        """Of each cell."""
        return self.warmups + self.repeats


def benchmark(order: Order, out: Path, console: Console | None = None) -> Path:
    """Time everything in an order and write `speed.json`, `speed.md` and `charts/` into a folder.

    Returns:
        The path of `speed.json`.

    Raises:
        ValueError: something is missing, is not comparable or cannot be timed; the message says what.
    """
    console = console or Console()
    earlier = {str(path): read_speeds(path) for path in order.against}
    device = ready(order.equipment.device)
    read, began = Instruments(Watch(clock_of(device)), gauge_of(device), power_of(device)), time.perf_counter()
    streamers = _load(order)
    loaded, state = time.perf_counter() - began, _state("before", read.power)
    cells = _cells(order, streamers, read.watch)
    dtype = next(iter(streamers.values())).network.dtype if streamers else None
    ceilings = [] if dtype is None else [ceiling_of(device, dtype)]
    playback = order.playback or next((streamer.fps for streamer in streamers.values()), PLAYBACK)
    timed = _measure(order, cells, read, playback, console)
    ceilings += [] if dtype is None else [ceiling_of(device, dtype)]
    best = max(ceilings, key=_measured, default=None)
    facts = {"loading_s": round(loaded, 2), **state, **_state("after", read.power), **_protocol(order)}
    facts["energy"] = f"not measured: {read.power.why_not}" if read.power.why_not else "NVML's counter"
    results = [Timed(speed, cell.work, best) for speed, cell in zip(timed, cells, strict=True)]
    known = content(results, cells, device=device, scopes=order.scopes, environment=facts)
    for name, before in earlier.items():
        known = beside(known, before, name, force=order.force)
    known["remarks"] += busy(facts)
    write_all(out, known)
    show(known, console)
    return out / "speed.json"


def ready(device: str) -> str:
    """A device, once it can be asked for its memory.

    Raises:
        ValueError: it is a GPU, and there is none.
    """
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ValueError(f"benchmark: device is {device}, but there is no NVIDIA GPU; allowed: cpu")
        torch.cuda.init()
    return device


def _cells(order: Order, streamers: Mapping[str, Streamer], watch: Watch) -> list[Cell]:
    theirs = [foreign_cell(spec) for spec in order.streams]
    ours = [
        student_cell(name, streamer, watch, prompt=order.prompt, seed=order.seed, chunks=order.chunks)
        for name, streamer in streamers.items()
    ]
    return [*ours, *theirs]


def _load(order: Order) -> dict[str, Streamer]:
    """A streamer for each way to remember, all with one network and codec."""
    if order.source is None:
        return {}
    found: dict[str, Streamer] = {}
    for wish in order.wishes:
        streamer = load_streamer(order.source, wish=wish, equipment=order.equipment)
        first = next(iter(found.values()), streamer)
        found[way(streamer, wish)] = replace(streamer, network=first.network, codec=first.codec, text=first.text)
    if len(found) < len(order.wishes):
        raise ValueError(f"benchmark: a way to remember is asked for twice; different ones: {', '.join(found)}")
    next(iter(found.values())).text.prepare([order.prompt])
    return found


def _measure(
    order: Order, cells: Sequence[Cell], read: Instruments, playback: float, console: Console
) -> tuple[Speed, ...]:
    """Time the cells under a bar, which is drawn between chunks only: a thread of its own would take time."""
    columns = ("{task.description}", BarColumn(), TextColumn("{task.completed} chunks"), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        known = None if order.streams else len(cells) * order.videos * order.chunks
        task = bar.add_task("Timing", total=known)

        def tick(name: str) -> None:
            bar.update(task, advance=1, description=f"Timing {name}")
            bar.refresh()

        return measure(
            cells,
            playback=playback,
            buffer=order.buffer,
            warmups=order.warmups,
            repeats=order.repeats,
            read=replace(read, tick=tick),
            force=order.force,
        )


def _measured(ceiling: Ceiling) -> float:
    return ceiling.measured


def busy(facts: Mapping[str, Any]) -> list[str]:
    """What else the machine did, as a remark."""
    found, cores = facts["load_before"], os.cpu_count() or 1
    many = found > BUSY * cores
    return [f"the machine was busy before the start: {found:g} processes wanted {cores} cores"] if many else []


def _state(when: str, power: Power) -> dict[str, Any]:
    found = {"load": round(load(), 2), **power.state()}
    return {f"{name}_{when}": value for name, value in found.items()}


def _protocol(order: Order) -> dict[str, Any]:
    return {
        "warmups": order.warmups,
        "repeats": order.repeats,
        "order": "A-B-B-A",
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }


def show(known: dict[str, Any], console: Console) -> None:
    """Print tables and remarks."""
    for sheet in sheets(known):
        if sheet.title == "Settings":
            continue
        table = Table(title=sheet.title, box=box.SIMPLE_HEAD, title_justify="left")
        for i, name in enumerate(sheet.headers):
            table.add_column(name, justify="right" if i else "left", no_wrap=not i)
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"Energy: {known['environment']['energy']}", highlight=False)
    for words in known["remarks"]:
        console.print(f"Remark: {words}", style="yellow", highlight=False)
