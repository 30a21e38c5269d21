import pytest
import torch
from torch import Tensor

from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.switching import SWITCHES, Remember, cross_only, recache, reset, switch_named
from tests.tiny import numbered, numbers

POLICY = MemoryPolicy(sink=EMASink(frames=1, decay=0.5, dtype=torch.float64), window_frames=4, chunk_frames=1)
LAYER = 0


def clean(*frames: float) -> Tensor:
    return torch.tensor(frames, dtype=torch.float32)[None, :, None, None, None]


def into(memory: Remembered) -> Remember:
    """Frames are remembered as ten times themselves: written under another prompt."""

    def remember(frames: Tensor) -> None:
        for frame in frames.flatten().tolist():
            memory.write(LAYER, numbered(10 * frame))

    return remember


def after(*frames: float) -> Remembered:
    memory = Remembered(POLICY)
    for frame in frames:
        memory.write(LAYER, numbered(frame))
    return memory


def read(memory: Remembered) -> list[float]:
    known = memory.read(LAYER)
    return numbers(known) if known else []


def test_the_memory_stays() -> None:
    memory = after(1, 2)
    cross_only(memory, clean(1, 2), into(memory))
    assert read(memory) == [1, 2]


def test_everything_is_forgotten() -> None:
    memory = after(1, 2)
    reset(memory, clean(1, 2), into(memory))
    assert (memory.frames, memory.seen, memory.read(LAYER)) == (0, 0, None)


def test_a_video_that_is_still_there_is_remembered_again_from_its_first_frame() -> None:
    memory = after(1, 2, 3)
    recache(memory, clean(1, 2, 3), into(memory))
    assert read(memory) == [10, 20, 30]
    assert memory.seen == 3


def test_an_averaged_sink_stays_and_recent_frames_are_remembered_again() -> None:
    memory = after(1, 2, 3, 4, 5, 6)
    sink = numbers(memory.layers[LAYER].sink)
    recache(memory, clean(3, 4, 5, 6), into(memory))
    assert read(memory) == [*sink, 50, 60]
    assert memory.seen == 6


@pytest.mark.parametrize("name", SWITCHES)
def test_a_memory_that_somebody_holds_is_not_touched(name: str) -> None:
    memory = after(1, 2, 3, 4, 5, 6)
    held, before = memory.layers[LAYER], read(memory)
    switch_named(name)(memory, clean(3, 4, 5, 6), into(memory))
    assert numbers(POLICY.read(held)) == before
    assert held.seen == 6


@pytest.mark.parametrize("name", SWITCHES)
def test_policies_have_names(name: str) -> None:
    assert switch_named(name).__name__ == name
    assert switch_named(name).__doc__


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="on_switch is 'forget'; allowed: cross_only, recache, reset"):
        switch_named("forget")
