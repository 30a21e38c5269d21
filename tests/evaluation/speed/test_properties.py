"""What must hold of any times."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.speed.figures import Timed, figures, latencies, remarks
from evaluation.speed.harness import Cell
from evaluation.speed.runs import DECODE, DENOISE, Run, Speed
from evaluation.speed.writing import content, page
from tests.evaluation.speed.scripted import World, run

TIMES = st.lists(st.floats(0.01, 3.0), min_size=1, max_size=9)
RUNS = st.integers(1, 9).flatmap(
    lambda length: st.lists(st.lists(st.floats(0.01, 3.0), min_size=length, max_size=length), min_size=1, max_size=4)
)


def speed(runs: list[list[float]], ramp: int = 0) -> Speed:
    made = tuple(run(seconds) for seconds in runs)
    return Speed("a", made[0], made, ramp, 16.0)


@given(RUNS, st.integers(0, 12))
def test_the_rate_lies_between_the_slowest_and_the_fastest_run(runs: list[list[float]], ramp: int) -> None:
    timed = speed(runs, ramp)
    low, high = timed.fps_range
    assert low * (1 - 1e-9) <= timed.fps <= high * (1 + 1e-9)


@given(RUNS)
def test_percentiles_rise_and_end_with_the_longest(runs: list[list[float]]) -> None:
    found = latencies(speed(runs))
    rising = [found[f"chunk_{name}_s"] for name in ("p50", "p90", "p95", "p99", "max")]
    assert rising == sorted(rising)
    assert rising[-1] == max(second for seconds in runs for second in seconds)


@given(RUNS, st.floats(0.1, 10))
def test_a_machine_twice_as_slow_is_half_as_fast_and_grows_alike(runs: list[list[float]], factor: float) -> None:
    before, after = speed(runs), speed([[factor * second for second in seconds] for seconds in runs])
    assert after.fps == pytest.approx(before.fps / factor)
    assert after.slope == pytest.approx(before.slope * factor, abs=1e-9)
    assert after.growth == pytest.approx(before.growth, abs=1e-9)


@given(RUNS, st.integers(0, 12))
def test_everything_can_be_written_and_read(runs: list[list[float]], ramp: int) -> None:
    timed = speed(runs, ramp)
    written = json.loads(json.dumps(content([Timed(timed)]), allow_nan=False))
    (cell,) = written["cells"]
    for name, value in figures(timed).items():
        known = cell["figures"][name]
        assert known is None if math.isnan(value) else known == pytest.approx(value, rel=1e-5, abs=1e-9)
    assert all(words.startswith("a: ") for words in remarks(timed))
    assert page(written).count("## ") >= 3


@given(TIMES, st.floats(0.01, 1.0))
def test_stages_add_up_to_what_a_client_waits_for(seconds: list[float], decode: float) -> None:
    world = World()
    cell = Cell(name="a", start=world.staged(0.0, seconds, decode), ramp=0, rest=DENOISE)
    (timed,) = world.measure(cell, repeats=1)
    (found,) = timed.runs
    assert found.stages[DENOISE] == pytest.approx(seconds)
    assert found.stages[DECODE] == pytest.approx([decode] * len(seconds))
    assert timed.within("codec").fps == pytest.approx(timed.fps)
    assert found.disagreement == pytest.approx(0, abs=1e-9)


@given(TIMES, st.integers(0, 12))
def test_what_the_ramp_leaves_is_the_end_of_the_run(seconds: list[float], ramp: int) -> None:
    whole: Run = run(seconds)
    left = whole.after(ramp).seconds
    assert left
    assert left == whole.seconds[-len(left) :]
    assert len(left) == (len(seconds) - ramp if ramp < len(seconds) else len(seconds))


@given(TIMES)
def test_one_rule_for_ours_and_for_others(seconds: list[float]) -> None:
    """The same work takes the same time, whether its stages are told or not."""
    world = World()
    ours = Cell(name="ours", start=world.staged(0.5, seconds, 0.25), ramp=0, rest=DENOISE)
    whole = [0.25 + second + 0.5 * (index == 0) for index, second in enumerate(seconds)]
    told, silent = world.measure(ours, world.cell("others", whole))
    assert told.fps == pytest.approx(silent.fps)
    assert told.first_frame == pytest.approx(silent.first_frame)
    assert told.buffer_needed == pytest.approx(silent.buffer_needed, abs=1e-9)
