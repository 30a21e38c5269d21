"""How benchmarks time, count and write."""

import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.common import (
    ASKED,
    LiveMemory,
    clocks,
    environment,
    numbers_of,
    percentile,
    said_by,
    seconds,
    side_by_side,
    write_result,
)

CPU = torch.device("cpu")


def test_live_tensors_are_counted_until_they_die() -> None:
    with LiveMemory() as live:
        first = torch.zeros(1000)
        assert live.now == 4000
        second = first.view(10, 100)
        assert live.now == 4000, "a view is no memory"
        third = second * 2
        assert live.now == 8000
        del first, second
        assert live.now == 4000
        assert third.sum() == 0
        del third
        assert live.now == 0
    assert live.peak >= 8000


def test_writing_in_place_takes_no_memory() -> None:
    given = torch.zeros(1000)
    with LiveMemory() as live:
        given.add_(1)
        given[:10].copy_(torch.ones(10))
    assert live.now == 0
    assert live.peak == 40


def test_a_result_says_what_it_was_measured_on(tmp_path: Path) -> None:
    path = write_result(
        "x", CPU, {"fps": 3.0, "psnr": [math.inf, 1.0], "rows": {"a": math.nan}}, tmp_path / "results", took=1.5
    )
    told = json.loads(path.read_text())
    assert path.name == "x.json"
    assert (told["command"], told["took_seconds"]) == ("python -m benchmarks x", 1.5)
    assert told["measured"] == {"fps": 3.0, "psnr": [None, 1.0], "rows": {"a": None}}
    known = told["environment"]
    assert {"device", "torch", "python", "commit", "date", "cuda", "code", "load"} <= known.keys()
    assert len(known["commit"]) == 40
    assert known["torch"] == environment(CPU)["torch"] == torch.__version__


def test_the_clock_of_a_cpu_is_the_median_of_its_cores(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("cpu MHz\t\t: 2000.0\nflags: x\ncpu MHz\t\t: 3000.4\ncpu MHz\t\t: 2500.0\n")
    assert clocks(CPU, info) == {"clock_mhz": 2500}
    assert clocks(CPU, tmp_path / "none") == {}


def test_what_nvidia_smi_says_is_read_and_what_it_does_not_know_left_out() -> None:
    known = numbers_of("1980, 2619, 1980, 54, 650.21, [N/A]")
    assert known == dict(zip(list(ASKED.values())[:5], (1980, 2619, 1980, 54, 650.21), strict=True))
    assert numbers_of("") == numbers_of("No devices were found") == {}


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert said_by("echo", "words") == "words"
    assert said_by("there-is-no-such-program") == ""


def test_a_call_is_timed_after_a_warm_up() -> None:
    calls: list[int] = []
    assert seconds(partial(calls.append, 1), CPU, repeats=3) >= 0
    assert len(calls) == 4


def test_calls_are_timed_in_turns() -> None:
    calls: list[str] = []
    taken = side_by_side({name: partial(calls.append, name) for name in "ab"}, CPU, rounds=2)
    assert calls == ["a", "a", "b", "b"] * 2
    assert taken.keys() == {"a", "b"}


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.95, 4), (1.0, 4)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], share) == value
