"""A video of any length takes the same memory: what is held after chunk 50 is what was held after chunk 10."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from benchmarks.common import LiveMemory
from reward_forcing.memory.policy import SinkStrategy
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.rollout import always
from reward_forcing.seeding import VideoNoise
from tests import tiny
from tests.claims.streams import CHUNK, EMA, STATIC, WINDOW, rollout

EARLY, LATE = 10, 50


class Allocations(LiveMemory):
    """Also counts how many tensors were made."""

    made = 0

    def _count(self, tensor: Tensor) -> None:
        known = len(self.known)
        super()._count(tensor)
        self.made += len(self.known) - known


@dataclass
class Held:
    """After each chunk: bytes and tensors alive; during it: most bytes, and tensors made."""

    alive: list[tuple[int, int]] = field(default_factory=list)
    during: list[tuple[int, int]] = field(default_factory=list)


@torch.inference_mode()
def held(sink: SinkStrategy, chunks: int, window: int | None = WINDOW) -> Held:
    noise = VideoNoise((("long", 0),), (CHUNK, tiny.SIZES["channels"], 4, 4))
    prompt, student, found = always(tiny.prompts()), tiny.network(), Held()
    with Allocations() as live:
        stream = rollout(sink, window).stream(student, noise, prompt, chunks=range(chunks))
        for _ in range(chunks):
            live.peak, live.made = live.now, 0
            next(stream)
            found.alive.append((live.now, len(live.known)))
            found.during.append((live.peak, live.made))
    return found


@pytest.mark.parametrize("sink", [NoSink(), STATIC, EMA], ids=["none", "static", "ema"])
def test_bytes_and_tensors_do_not_grow(sink: SinkStrategy) -> None:
    found = held(sink, LATE + 1)
    assert found.alive[EARLY] == found.alive[LATE]
    assert found.during[EARLY] == found.during[LATE]
    full = WINDOW // CHUNK + 1
    assert len(set(found.alive[full:])) == len(set(found.during[full:])) == 1, "nor in between"


def test_without_a_window_they_would() -> None:
    found = held(NoSink(), EARLY, None)
    assert sorted(set(found.alive)) == found.alive
