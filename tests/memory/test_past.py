"""What passes read and write, layer by layer."""

import weakref

import pytest
import torch

from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Folding, Past, ReadOnly, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.learned_decay import LearnedDecayEMASink
from tests.tiny import numbered, numbers, random_kv

LAYERS = 4
POLICY = MemoryPolicy(sink=EMASink(frames=3, decay=0.9), window_frames=9, chunk_frames=3)


def chunk(layer: int, index: int) -> KV:
    return random_kv(1, 3, 100 * index + layer)


def remembered(chunks: int) -> Remembered:
    """The memory of so many chunks."""
    memory = Remembered(POLICY)
    for index in range(chunks):
        for layer in range(LAYERS):
            memory.write(layer, chunk(layer, index))
    return memory


def test_before_a_video_begins_there_is_nothing_to_read() -> None:
    memory = Remembered(POLICY)
    assert isinstance(memory, Past)
    assert (memory.frames, memory.seen, memory.read(0)) == (0, 0, None)


def test_a_layer_reads_what_it_wrote() -> None:
    memory = Remembered(POLICY)
    for layer in range(LAYERS):
        memory.write(layer, numbered(layer, layer, layer, dtype=torch.float32))
    for layer in range(LAYERS):
        known = memory.read(layer)
        assert known is not None
        assert numbers(known) == [layer] * 3
    assert memory.frames == memory.seen == 3


@pytest.mark.parametrize("chunks", [1, 3, 6])
def test_layers_do_not_meet(chunks: int) -> None:
    memory, alone = remembered(chunks), Remembered(POLICY)
    for index in range(chunks):
        alone.write(2, chunk(2, index))
    together, single = memory.read(2), alone.read(2)
    assert together is not None
    assert single is not None
    assert torch.equal(together.keys, single.keys)
    assert torch.equal(together.values, single.values)


def test_a_memory_that_somebody_holds_stays_as_it_is() -> None:
    memory = remembered(5)
    held = dict(memory.layers)
    copies = {layer: (one.sink.apply(torch.clone), one.recent.apply(torch.clone)) for layer, one in held.items()}
    for layer in range(LAYERS):
        memory.write(layer, chunk(layer, 5))
    memory.forget_recent()
    memory.forget()
    for layer, (sink, recent) in copies.items():
        assert torch.equal(held[layer].sink.keys, sink.keys)
        assert torch.equal(held[layer].sink.values, sink.values)
        assert torch.equal(held[layer].recent.keys, recent.keys)
        assert held[layer].seen == 15


def test_a_layer_is_let_go_as_soon_as_it_is_written() -> None:
    """Old and new are there together for one layer only."""
    memory = remembered(5)
    old = [weakref.ref(one.sink.keys) for one in memory.layers.values()]
    old_recent = [weakref.ref(one.recent.values) for one in memory.layers.values()]
    for layer in range(LAYERS):
        memory.write(layer, chunk(layer, 5))
        assert [ref() is None for ref in old] == [index <= layer for index in range(LAYERS)]
        assert [ref() is None for ref in old_recent] == [index <= layer for index in range(LAYERS)]


def test_forgetting() -> None:
    memory = remembered(5)
    sinks = [one.sink for one in memory.layers.values()]
    memory.forget_recent()
    assert (memory.frames, memory.seen) == (3, 12)
    assert [one.sink for one in memory.layers.values()] == sinks
    memory.forget()
    assert (memory.frames, memory.seen) == (0, 0)


def test_what_only_reads_writes_nothing() -> None:
    memory = remembered(4)
    before, past = dict(memory.layers), ReadOnly(memory)
    assert isinstance(past, Past)
    for layer in range(LAYERS):
        past.write(layer, chunk(layer, 9))
        known, own = past.read(layer), memory.read(layer)
        assert known is not None
        assert own is not None
        assert torch.equal(known.keys, own.keys)
    assert memory.layers == before
    assert past.frames == memory.frames == 6


@pytest.mark.parametrize("with_gradient", [True, False])
def test_a_pass_without_gradients_may_fold_with_them(with_gradient: bool) -> None:
    """Only what the sink learned gets one: what was written has none."""
    learned = LearnedDecayEMASink(frames=3, decay=0.9, speed=1.0)
    memory = Remembered(MemoryPolicy(sink=learned, window_frames=9, chunk_frames=3))
    past = Folding(memory, with_gradient)
    assert isinstance(past, Past)
    with torch.no_grad():
        for index in range(4):
            past.write(0, chunk(0, index))
    known = past.read(0)
    assert known is not None
    assert past.frames == memory.frames == 6
    assert known.keys.requires_grad == with_gradient
    assert not memory.layers[0].recent.keys.requires_grad


def test_where_no_sink_learns_nothing_is_kept_for_gradients() -> None:
    memory = Remembered(POLICY)
    past = Folding(memory, with_gradient=True)
    with torch.no_grad():
        for index in range(4):
            past.write(0, chunk(0, index))
    assert memory.layers[0].sink.keys.grad_fn is None
