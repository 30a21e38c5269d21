"""Stages of a scripted clock, and of one that is ahead of its work as a GPU's host is."""

import time
from dataclasses import dataclass, field

import pytest
import torch

from evaluation.speed.clocks import CudaClock, HostClock, Watch, clock_of
from tests.evaluation.speed.scripted import World


@dataclass
class Ahead:
    """A queue that does its work only when it is waited for; marks are places in it."""

    wall: float = 0.0
    queued: list[float] = field(default_factory=list)
    waits: int = 0

    def now(self) -> float:
        return self.wall

    def mark(self) -> int:
        return len(self.queued)

    def between(self, start: int, stop: int) -> float:
        return sum(self.queued[start:stop])

    def wait(self) -> None:
        self.waits += 1
        self.wall += sum(self.queued)


def test_stages_of_a_chunk() -> None:
    world = World()
    world.watch.start("denoise")
    world.work(1.0)
    with world.watch.stage("decode"):
        world.work(2.0)
    world.work(0.5)
    with world.watch.stage("decode"):
        world.work(0.25)
    lap = world.watch.stop()
    assert lap.seconds == pytest.approx(3.75)
    assert lap.stages == pytest.approx({"denoise": 1.5, "decode": 2.25})


def test_an_inner_stage_is_not_the_outers_time() -> None:
    world = World()
    world.watch.start("a")
    with world.watch.stage("b"):
        world.work(1.0)
        with world.watch.stage("c"):
            world.work(10.0)
        world.work(2.0)
    assert world.watch.stop().stages == pytest.approx({"a": 0.0, "b": 3.0, "c": 10.0})


def test_a_watch_that_stands_notes_nothing() -> None:
    world = World()
    with world.watch.stage("b"):
        world.work(1.0)
    world.watch.start("a")
    assert world.watch.stop().stages == {"a": 0.0}
    world.watch.start("a")
    world.work(1.0)
    assert world.watch.stop().seconds == pytest.approx(1.0), "laps do not add up"


def test_the_host_waits_once_a_chunk_and_stages_are_the_queues() -> None:
    clock = Ahead()
    watch = Watch(clock)
    watch.start("denoise")
    clock.queued.append(3.0)
    with watch.stage("decode"):
        clock.queued.append(1.0)
    assert (clock.wall, clock.waits) == (0, 0)
    lap = watch.stop()
    assert clock.waits == 1
    assert lap.seconds == pytest.approx(4.0)
    assert lap.stages == pytest.approx({"denoise": 3.0, "decode": 1.0})


def test_clocks_suit_devices() -> None:
    assert clock_of("cpu") == HostClock()
    assert clock_of("cuda:1") == CudaClock("cuda:1")


def test_the_real_clock_runs() -> None:
    watch = Watch(HostClock())
    watch.start("sleep")
    time.sleep(0.01)
    lap = watch.stop()
    assert lap.seconds >= lap.stages["sleep"] >= 0.01


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_events_agree_with_the_wall() -> None:
    watch = Watch(CudaClock())
    matrix = torch.randn(8192, 8192, device="cuda")
    matrix @ matrix
    torch.cuda.synchronize()
    watch.start("product")
    for _ in range(10):
        matrix @ matrix
    with watch.stage("sum"):
        matrix.sum()
    lap = watch.stop()
    assert sum(lap.stages.values()) == pytest.approx(lap.seconds, rel=0.05)
    assert lap.stages["product"] > lap.stages["sum"] > 0
