"""Timing with a scripted clock: every figure is known by hand."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from evaluation.speed.gauges import HostMemory, Power
from evaluation.speed.harness import Cell, Instruments, measure, on_host, time_run
from evaluation.speed.runs import COPY, DECODE, DENOISE, STREAM, TEXT
from reward_forcing.videos import to_float
from tests.evaluation.speed.scripted import World, picture


def test_the_first_video_is_cold_and_does_not_count() -> None:
    world = World()
    (speed,) = world.measure(world.cell("a", [0.2, 0.2], cold=5.0), repeats=2)
    assert speed.cold.first == pytest.approx(5.2)
    assert speed.first_frame == pytest.approx(0.2)
    assert speed.fps == pytest.approx(15)
    assert len(speed.runs) == 2


def test_more_warm_ups_are_left_out_too() -> None:
    world = World()
    (speed,) = world.measure(world.cell("a", [0.2], cold=5.0), warmups=3, repeats=2)
    assert speed.cold.first == pytest.approx(5.2)
    assert len(speed.runs) == 2
    assert world.started == ["a"] * 5


def test_cells_take_turns_in_changing_order() -> None:
    world = World()
    world.measure(world.cell("a", [1.0]), world.cell("b", [1.0]))
    assert world.started == ["a", "b", "b", "a", "a", "b", "b", "a"]


def test_a_drift_of_the_clock_cancels() -> None:
    """A machine that gets slower from video to video makes no cell look slower than another."""
    world = World()

    def slowing() -> Iterator[Tensor]:
        world.work(1.0 + 0.1 * len(world.started))
        world.started.append("x")
        yield picture()

    first, second = world.measure(Cell(name="a", start=slowing), Cell(name="b", start=slowing), warmups=2, repeats=2)
    assert first.fps == pytest.approx(second.fps)


def test_taking_notes_is_not_the_streams_time() -> None:
    world = World()

    def slow() -> int:
        world.now += 7
        return 1

    read = replace(world.instruments, tick=lambda _: world.work(100.0))
    read = replace(read, gauge=HostMemory(slow))
    run = time_run(world.cell("a", [0.5, 0.5]), read)
    assert run.seconds == pytest.approx((0.5, 0.5))
    assert run.stages == {STREAM: pytest.approx((0.5, 0.5)), COPY: (0.0, 0.0)}


def test_stages_of_our_own_streams() -> None:
    world = World()
    (speed,) = world.measure(world.student(), repeats=1)
    (run,) = speed.runs
    assert run.seconds == pytest.approx((1.5, 0.75, 0.75, 0.75))
    assert run.stages == {
        DENOISE: pytest.approx((0.25, 0.5, 0.5, 0.5)),
        TEXT: (1.0, 0.0, 0.0, 0.0),
        DECODE: pytest.approx((0.25,) * 4),
        COPY: (0.0,) * 4,
    }
    assert speed.within("denoiser").fps == pytest.approx(6)
    assert speed.within("codec").fps == speed.fps == pytest.approx(4)
    assert speed.first_frame == pytest.approx(1.5)


def test_memory_is_noted_chunk_by_chunk() -> None:
    world = World()
    (speed,) = world.measure(world.cell("a", [1.0, 1.0], leak=8), repeats=1)
    assert speed.cold.before == 100
    assert speed.cold.memory == {"resident": (108, 116)}
    assert speed.runs[0].before == 116
    assert speed.memory_growth == 8


def test_energy_is_what_the_counter_moved() -> None:
    world = World()

    class Counter(Power):
        def joules(self) -> float:
            return 100 * world.now

    run = time_run(world.cell("a", [1.0, 2.5]), replace(world.instruments, power=Counter()))
    assert run.joules == pytest.approx((100, 250))
    assert time_run(world.cell("b", [1.0]), world.instruments).joules == ()


def test_the_ramp_is_told_or_found() -> None:
    world = World()
    seconds = [0.2, 0.5, *[1.0] * 6]
    told, found = world.measure(world.cell("told", seconds, ramp=3), world.cell("found", seconds, ramp=None))
    assert (told.ramp, found.ramp) == (3, 2)


def test_frames_of_every_run_are_stamped() -> None:
    world = World()
    (speed,) = world.measure(world.cell("a", [1.0, 1.0]), repeats=2)
    stamps = [run.stamp for run in (speed.cold, *speed.runs) if run.stamp]
    assert len(stamps) == 3
    assert len({stamp.digest for stamp in stamps}) == 1
    assert stamps[0].frames == 6
    assert speed.cold.size == (1, 8, 8)


def test_all_streams_end_as_levels_on_the_host() -> None:
    levels = picture()
    assert torch.equal(on_host(levels, "a"), levels)
    assert torch.equal(on_host(to_float(levels), "a"), levels)
    assert torch.equal(on_host(to_float(levels).double(), "a"), levels)
    assert torch.equal(
        on_host(5 * to_float(levels), "a")[levels > 200].unique(), torch.tensor([255], dtype=torch.uint8)
    )


@pytest.mark.parametrize(
    "chunk", [torch.zeros(1, 3), torch.zeros(1, 3, 4, 8, 8), torch.zeros(1, 3, 3, 8, 8, dtype=torch.int64)]
)
def test_other_things_than_video_frames_are_refused(chunk: Tensor) -> None:
    with pytest.raises(ValueError, match=r"speed: x yields torch\.\w+ \(.*allowed: uint8 or float \[batch, frame, 3"):
        measure([Cell(name="x", start=lambda: iter([chunk]))], playback=8)


def test_values_that_are_no_numbers_are_noticed() -> None:
    chunk = to_float(picture())
    chunk[0, 0, 0, 0, 0] = torch.nan
    run = time_run(Cell(name="x", start=lambda: iter([chunk])), Instruments())
    assert run.stamp is not None
    assert not run.stamp.finite


def test_videos_of_different_sizes_are_not_compared() -> None:
    world = World()
    small, large = world.cell("small", [1.0]), world.cell("large", [1.0], size=16)
    with pytest.raises(ValueError, match=r"small and large differ in height \(8, 16\), width \(8, 16\)"):
        world.measure(small, large)
    assert world.started == ["small", "large"], "it shows after one video of each"
    assert len(world.measure(small, large, force=True)) == 2


def test_what_cannot_be_measured_is_refused() -> None:
    world = World()
    with pytest.raises(ValueError, match="a yields no chunk"):
        world.measure(world.cell("a", []))
    for name in ("warmups", "repeats"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
            world.measure(world.cell("a", [1.0]), **{name: 0})
    with pytest.raises(ValueError, match="cells is 0"):
        world.measure()
    with pytest.raises(ValueError, match="two cells have one name: a, a"):
        world.measure(world.cell("a", [1.0]), world.cell("a", [1.0]))
    with pytest.raises(ValueError, match="playback is 0 and buffer 0"):
        world.measure(world.cell("a", [1.0]), playback=0)


def test_every_chunk_is_told_of() -> None:
    world, told = World(), list[str]()
    read = replace(world.instruments, tick=told.append)
    world.measure(world.cell("a", [1.0, 1.0]), world.cell("b", [1.0]), repeats=1, read=read)
    assert told == ["a", "a", "b", "b", "a", "a"]


def test_real_time_and_real_memory() -> None:
    def work() -> Iterator[Tensor]:
        for index in range(3):
            time.sleep(0.01)
            yield picture(2, seed=index)

    (speed,) = measure([Cell(name="sleep", start=work)], playback=16, repeats=1)
    assert 0 < speed.fps < 200
    assert speed.first_frame >= 0.01
    assert speed.peak("resident") > 10 * 2**20
