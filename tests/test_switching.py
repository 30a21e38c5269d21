import pytest
import torch
from torch import Tensor

from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import Memory, MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.switching import SWITCHES, cross_only, recache, reset, switch_named
from tests.tiny import numbered, numbers

POLICY = MemoryPolicy(sink=EMASink(frames=1, decay=0.5, dtype=torch.float64), window_frames=4, chunk_frames=1)


def clean(*frames: float) -> Tensor:
    return torch.tensor(frames, dtype=torch.float32)[None, :, None, None, None]


def remember(memory: Memory | None, frames: Tensor) -> Memory | None:
    """Frames are remembered as ten times themselves: written under another prompt."""
    for frame in frames.flatten().tolist():
        written = numbered(10 * frame)
        memory = POLICY.append(memory or POLICY.start(written.between(0, 0)), written)
    return memory


def after(*frames: float) -> Memory:
    memory = POLICY.start(numbered().between(0, 0))
    for frame in frames:
        memory = POLICY.append(memory, numbered(frame))
    return memory


def test_the_memory_stays() -> None:
    memory = after(1, 2)
    assert cross_only(memory, clean(1, 2), remember) is memory


def test_everything_is_forgotten() -> None:
    assert reset(after(1, 2), clean(1, 2), remember) is None


def test_a_video_that_is_still_there_is_remembered_again_from_its_first_frame() -> None:
    memory = recache(after(1, 2, 3), clean(1, 2, 3), remember)
    assert memory is not None
    assert numbers(POLICY.read(memory)) == [10, 20, 30]
    assert memory.seen == 3


def test_an_averaged_sink_stays_and_recent_frames_are_remembered_again() -> None:
    before = after(1, 2, 3, 4, 5, 6)
    memory = recache(before, clean(3, 4, 5, 6), remember)
    assert memory is not None
    assert numbers(memory.sink) == numbers(before.sink)
    assert numbers(memory.recent) == [50, 60]
    assert memory.seen == before.seen


def test_the_memory_that_was_is_not_touched() -> None:
    before = after(1, 2, 3, 4, 5, 6)
    kept: KV = POLICY.read(before)
    copies = kept.keys.clone()
    for switch in SWITCHES.values():
        switch(before, clean(3, 4, 5, 6), remember)
    assert torch.equal(POLICY.read(before).keys, copies)


@pytest.mark.parametrize("name", SWITCHES)
def test_policies_have_names(name: str) -> None:
    assert switch_named(name).__name__ == name
    assert switch_named(name).__doc__


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="on_switch is 'forget'; allowed: cross_only, recache, reset"):
        switch_named("forget")
