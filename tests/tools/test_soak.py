"""What a soak sees: leaks that are there, and none that are not."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tools import soak

FLAT = soak.Row(1.0, 10, 100.0, 5, 1, 1000, 2.0, 3.0, 1.5)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({}, []),
        ({"memory_mb": 102.0, "objects": 1009}, []),
        ({"memory_mb": 104.0}, ["memory grew from 100.0 to 104.0 MB"]),
        ({"files": 6}, ["open files grew from 5 to 6"]),
        ({"threads": 2}, ["threads grew from 1 to 2"]),
        ({"objects": 1011}, ["objects grew from 1000 to 1011"]),
    ],
)
def test_growth_is_told(last: dict[str, float], words: list[str]) -> None:
    assert soak.faults([replace(FLAT, memory_mb=50.0), *[FLAT] * 4, replace(FLAT, **last)]) == words  # type: ignore[arg-type]


def test_slowing_down_is_told_but_a_hiccup_is_not() -> None:
    slow = replace(FLAT, cpu_ms=2.0)
    assert soak.faults([FLAT, *[slow], *[FLAT] * 4]) == []
    assert soak.faults([*[FLAT] * 4, *[slow] * 4]) == ["the work of a chunk grew from 1.50 to 2.00 ms"]


def test_a_busy_machine_is_no_fault_of_the_stream() -> None:
    """Waiting lengthens what the clock says of a chunk, not what it takes of the processor."""
    waits = replace(FLAT, median_ms=9.0, worst_ms=99.0)
    assert soak.faults([*[FLAT] * 4, *[waits] * 4]) == []
    ((took, worked),) = soak.timed(iter(stop.wait(0.1) for _ in range(1)), until=0)
    assert took >= 0.1 > 2 * worked


def leaking(folder: Path) -> Iterator[int]:
    """A stream that keeps a file open and a thread alive for every chunk."""
    for number in itertools.count():
        kept.append((folder / str(number)).open("w"))
        threading.Thread(target=stop.wait, daemon=True).start()
        stop.wait(0.02)
        yield number


kept: list[object] = []
stop = threading.Event()


def test_a_real_leak_is_seen(tmp_path: Path) -> None:
    told: list[str] = []
    rows = soak.soak(leaking(tmp_path), 0.4, rows=4, tell=told.append)
    stop.set()
    for file in kept:
        file.close()  # type: ignore[attr-defined]
    assert told[0] == soak.HEADER
    assert len(told) == len(rows) + 1 == 5
    assert {fault.split(" grew")[0] for fault in soak.faults(rows)} >= {"open files", "threads"}


def test_nothing_leaks_where_nothing_does() -> None:
    rows = soak.soak(iter(stop.wait(0.001) for _ in range(10**6)), 0.2, rows=4, tell=str)
    assert sum(row.chunks for row in rows) > 10
    assert [fault for fault in soak.faults(rows) if "the work" not in fault] == []
