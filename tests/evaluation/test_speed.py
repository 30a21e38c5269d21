"""Speed with a scripted clock: every figure is known by hand."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from evaluation.speed import (
    Run,
    Speed,
    Stream,
    after,
    cuda_clock,
    figures,
    measure,
    resident_bytes,
    slope,
    stalls,
    write_speeds,
)


@dataclass
class World:
    """A clock that only moves when a stream works, and a memory that only grows when it is told."""

    now: float = 0.0
    held: int = 100
    started: list[str] = field(default_factory=list)

    def stream(self, name: str, seconds: list[float], frames: int = 3, leak: int = 0, cold: float = 0.0) -> Stream:
        def start() -> Iterator[torch.Tensor]:
            self.now += cold if name not in self.started else 0.0
            self.started.append(name)
            for duration in seconds:
                self.now += duration
                self.held += leak
                yield torch.empty(1, frames, 3, 2, 2)

        return start

    def measure(
        self,
        streams: dict[str, Stream],
        ramp: int | dict[str, int] = 0,
        *,
        warmups: int = 1,
        repeats: int = 3,
    ) -> tuple[Speed, ...]:
        return measure(
            streams,
            playback=10,
            ramp=ramp,
            warmups=warmups,
            repeats=repeats,
            clock=lambda: self.now,
            memory=lambda: self.held,
        )


def test_frames_per_second_are_a_ratio_of_sums() -> None:
    world = World()
    (speed,) = world.measure({"a": world.stream("a", [0.5, 0.1, 0.3])})
    assert speed.fps == pytest.approx(9 / 0.9)
    assert speed.whole_fps == pytest.approx(9 / 0.9)
    assert speed.fps_range == pytest.approx((10, 10))


def test_the_ramp_does_not_count_but_is_reported() -> None:
    world = World()
    (speed,) = world.measure({"a": world.stream("a", [0.1, 0.2, 0.5, 0.5])}, ramp=2)
    assert speed.fps == pytest.approx(6)
    assert speed.whole_fps == pytest.approx(12 / 1.3)
    assert speed.first_frame == pytest.approx(0.1)


def test_a_stream_no_longer_than_its_ramp_counts_whole() -> None:
    world = World()
    teacher, student = world.measure(
        {"teacher": world.stream("teacher", [2.0], frames=21), "student": world.stream("student", [0.9, 0.3, 0.3])},
        ramp={"teacher": 5, "student": 1},
    )
    assert teacher.fps == pytest.approx(10.5)
    assert student.fps == pytest.approx(10)


def test_the_first_video_is_cold_and_does_not_count() -> None:
    world = World()
    (speed,) = world.measure({"a": world.stream("a", [0.2, 0.2], cold=5.0)}, repeats=2)
    assert speed.cold.first == pytest.approx(5.2)
    assert speed.first_frame == pytest.approx(0.2)
    assert speed.fps == pytest.approx(15)
    assert len(speed.runs) == 2


def test_cells_take_turns_in_changing_order() -> None:
    world = World()
    world.measure({"a": world.stream("a", [1.0]), "b": world.stream("b", [1.0])}, warmups=1, repeats=3)
    assert world.started == ["a", "b", "b", "a", "a", "b", "b", "a"]


def test_taking_notes_is_not_the_streams_time() -> None:
    world = World()

    def slow_memory() -> int:
        world.now += 7
        return 1

    (speed,) = measure({"a": world.stream("a", [0.5, 0.5])}, playback=10, clock=lambda: world.now, memory=slow_memory)
    assert speed.runs[0].seconds == pytest.approx((0.5, 0.5))


def test_percentiles_are_over_steady_chunks_of_all_runs() -> None:
    world = World()
    (speed,) = world.measure({"a": world.stream("a", [9.0, *(n / 100 for n in range(101))])}, ramp=1)
    assert [speed.percentile(share) for share in (50, 90, 99)] == pytest.approx([0.5, 0.9, 0.99])


def test_growing_costs_and_leaks_show() -> None:
    world = World()
    constant, growing = world.measure(
        {"c": world.stream("c", [0.2] * 5), "g": world.stream("g", [0.1, 0.2, 0.3, 0.4, 0.5], leak=8)}
    )
    assert constant.growth == pytest.approx(0)
    assert growing.growth == pytest.approx(0.1 / 0.3)
    assert (constant.memory_growth, growing.memory_growth) == (0, 32)
    assert growing.peak == 100 + 8 * 5 * 4


@pytest.mark.parametrize(
    ("seconds", "buffer", "expected"),
    [
        ((1.0, 0.3, 0.3), 0.0, (0, 0.0)),
        ((1.0, 0.3, 0.5, 0.1), 0.0, (1, 0.2)),
        ((1.0, 0.3, 0.5, 0.1), 0.2, (0, 0.0)),
        ((1.0, 0.4, 0.4), 0.0, (2, 0.2)),
        ((9.0,), 0.0, (0, 0.0)),
    ],
)
def test_stalls_of_a_player_by_hand(seconds: tuple[float, ...], buffer: float, expected: tuple[int, float]) -> None:
    run = Run(seconds, (3,) * len(seconds), (0,) * len(seconds))
    assert stalls(run, playback=10, buffer=buffer) == pytest.approx(expected)


def test_slopes_by_hand() -> None:
    assert slope([1.0, 3.0, 5.0]) == pytest.approx(2)
    assert slope([4.0, 4.0]) == 0
    assert slope([4.0]) == 0


def test_runs_are_cut_only_if_something_is_left() -> None:
    run = Run((1.0, 2.0), (3, 3), (5, 6))
    assert after(run, 1) == Run((2.0,), (3,), (6,))
    assert after(run, 2) == after(run, 0) == run


def test_empty_streams_and_impossible_counts_are_refused() -> None:
    world = World()
    with pytest.raises(ValueError, match="yields no chunk"):
        world.measure({"a": world.stream("a", [])})
    for name in ("warmups", "repeats"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
            world.measure({"a": world.stream("a", [1.0])}, **{name: 0})


def test_figures_are_written_with_all_runs(tmp_path: Path) -> None:
    world = World()
    speeds = world.measure({"a": world.stream("a", [0.1, 0.2, 0.5, 0.5])}, ramp=2)
    write_speeds(tmp_path / "speed.json", speeds, {"batch": 1})
    content = json.loads((tmp_path / "speed.json").read_text())
    (cell,) = content["cells"]
    assert cell["figures"]["fps"] == pytest.approx(6)
    assert cell["figures"]["realtime"] == pytest.approx(0.6)
    assert cell["figures"].keys() == figures(speeds[0]).keys()
    assert len(cell["runs"]) == 3
    assert cell["runs"][0]["frames"] == [3, 3, 3, 3]
    assert content["environment"]["batch"] == 1
    assert content["environment"]["threads"] == torch.get_num_threads()


def test_real_time_and_real_memory() -> None:
    def work() -> Iterator[torch.Tensor]:
        for _ in range(3):
            time.sleep(0.01)
            yield torch.empty(1, 2, 3, 4, 4)

    (speed,) = measure({"sleep": work}, playback=16, repeats=1)
    assert 0 < speed.fps < 200
    assert speed.first_frame >= 0.01
    assert speed.peak > 10 * 2**20
    assert resident_bytes() > 10 * 2**20


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_accelerator_is_waited_for() -> None:
    before = cuda_clock()
    product = torch.randn(4096, 4096, device="cuda") @ torch.randn(4096, 4096, device="cuda")
    assert cuda_clock() > before
    assert product.isfinite().all()
