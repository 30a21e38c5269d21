"""Window arithmetic, with whole numbers for keys, against worked examples and a list of frames."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy, fold_frames, span
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.memory.sinks.static import StaticSink
from tests.tiny import numbered, numbers, random_kv, remembered


def ema(decay: float, frames: int = 3) -> EMASink:
    return EMASink(frames=frames, decay=decay, dtype=torch.float64)


def reads(sink: SinkStrategy, chunks: int, window_frames: int | None = 9) -> list[list[float]]:
    """What is read after each of `chunks` chunks of three frames numbered 0, 1, 2, ..."""
    policy = MemoryPolicy(sink=sink, window_frames=window_frames, chunk_frames=3)
    states = remembered(policy, [numbered(*range(3 * index, 3 * index + 3)) for index in range(chunks)])
    return [numbers(policy.read(memory)) for memory in states]


def test_worked_example_of_the_released_arithmetic() -> None:
    """Decay 0.999, window 9, sink 3: the sink after the chunks that evict, and the recent frames beside it."""
    after = reads(ema(0.999), 7)
    assert after[0] == [0, 1, 2]
    assert after[1] == [0, 1, 2, 3, 4, 5]
    expected = {2: 0.003, 3: 0.008997, 4: 0.017988003, 5: 0.029970015, 6: 0.044940045}
    for chunk, first in expected.items():
        assert after[chunk][:3] == pytest.approx([first, 1 + first, 2 + first], abs=1e-9)
        assert after[chunk][3:] == [3 * chunk, 3 * chunk + 1, 3 * chunk + 2]


@pytest.mark.parametrize(
    ("sink", "window_frames", "expected"),
    [
        (StaticSink(frames=3), 9, [0, 1, 2, 12, 13, 14]),
        (NoSink(), 9, [9, 10, 11, 12, 13, 14]),
        (ema(0.0), 9, [9, 10, 11, 12, 13, 14]),
        (ema(0.5), 9, [6.375, 7.375, 8.375, 12, 13, 14]),
        (StaticSink(frames=1), 9, [0, 10, 11, 12, 13, 14]),
        (StaticSink(frames=4), 7, [0, 1, 2, 3]),
        (NoSink(), None, list(range(15))),
        (ema(0.9), None, list(range(15))),
        (NoSink(), 3, []),
    ],
)
def test_what_is_read_after_five_chunks(sink: SinkStrategy, window_frames: int | None, expected: list[float]) -> None:
    assert reads(sink, 5, window_frames)[-1] == pytest.approx(expected)


def by_hand(sizes: list[int], *, frames: int, decay: float, window: int, chunk: int) -> list[float]:
    """Frame after frame on plain lists: frame i that leaves meets sink frame i modulo the sink's size."""
    sink: list[float] = []
    recent: list[int] = []
    counter = itertools.count()
    for size in sizes:
        for number in itertools.islice(counter, size):
            if len(sink) < frames:
                sink.append(float(number))
            else:
                recent.append(number)
        while len(sink) + len(recent) + chunk > window:
            left = recent.pop(0)
            if frames:
                sink[left % frames] = decay * sink[left % frames] + (1 - decay) * left
    return [*sink, *recent]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    frames=st.integers(1, 4),
    decay=st.sampled_from([0.0, 0.25, 0.9, 1.0]),
    spare=st.integers(0, 5),
)
def test_frames_that_leave_are_folded_one_by_one(sizes: list[int], frames: int, decay: float, spare: int) -> None:
    window = frames + 4 + spare
    policy = MemoryPolicy(sink=ema(decay, frames), window_frames=window, chunk_frames=4)
    bounds = [0, *itertools.accumulate(sizes)]
    memory = remembered(policy, [numbered(*range(*pair)) for pair in itertools.pairwise(bounds)])[-1]
    assert numbers(policy.read(memory)) == pytest.approx(
        by_hand(sizes, frames=frames, decay=decay, window=window, chunk=4)
    )
    assert memory.seen == bounds[-1]


@given(decay=st.floats(0, 1), folds=st.integers(1, 12))
def test_closed_form_of_the_average(decay: float, folds: int) -> None:
    after = reads(ema(decay), folds + 2)[-1][:3]
    for slot in range(3):
        left = [3 * fold + slot for fold in range(1, folds + 1)]
        averaged = decay**folds * slot + sum(
            (1 - decay) * decay ** (folds - fold) * number for fold, number in enumerate(left, start=1)
        )
        assert after[slot] == pytest.approx(averaged)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decay_one_is_a_static_sink_bit_for_bit(dtype: torch.dtype) -> None:
    chunks = [random_kv(2, 3, seed, dtype) for seed in range(6)]
    sinks: tuple[SinkStrategy, SinkStrategy] = (EMASink(frames=3, decay=1.0), StaticSink(frames=3))
    averaged, static = (MemoryPolicy(sink=sink, window_frames=9, chunk_frames=3) for sink in sinks)
    for one, other in zip(remembered(averaged, chunks), remembered(static, chunks), strict=True):
        assert torch.equal(averaged.read(one).keys, static.read(other).keys)
        assert torch.equal(averaged.read(one).values, static.read(other).values)


def test_an_averaging_sink_of_a_half_precision_student_is_kept_in_fp32() -> None:
    """In bf16, most of an update with decay 0.999 would be rounded away."""
    policy = MemoryPolicy(sink=EMASink(frames=3, decay=0.999), window_frames=9, chunk_frames=3)
    memory = remembered(policy, [random_kv(1, 3, seed, torch.bfloat16) for seed in range(40)])[-1]
    assert memory.sink.keys.dtype == torch.float32
    assert memory.recent.keys.dtype == policy.read(memory).keys.dtype == torch.bfloat16
    start = random_kv(1, 3, 0, torch.bfloat16).keys.float()
    moved = (memory.sink.keys - start).norm() / start.norm()
    assert 0.03 < moved < 0.045  # 38 updates shrink the start by 0.999 each and add little that is like it


def test_reading_changes_nothing() -> None:
    policy = MemoryPolicy(sink=ema(0.5), window_frames=9, chunk_frames=3)
    memory = remembered(policy, [random_kv(1, 3, seed) for seed in range(5)])[-1]
    first, second = policy.read(memory), policy.read(memory)
    assert torch.equal(first.keys, second.keys)


def test_appending_makes_a_new_memory_and_leaves_the_old_one() -> None:
    policy = MemoryPolicy(sink=ema(0.5), window_frames=9, chunk_frames=3)
    chunks = [random_kv(1, 3, seed).to(torch.float64) for seed in range(6)]
    old = remembered(policy, chunks[:5])[-1]
    kept = (old.sink.keys.clone(), old.recent.keys.clone(), old.seen)
    assert torch.equal(policy.append(old, chunks[5]).sink.keys, policy.append(old, chunks[5]).sink.keys)
    assert torch.equal(old.sink.keys, kept[0])
    assert torch.equal(old.recent.keys, kept[1])
    assert old.seen == kept[2]


@pytest.mark.parametrize(
    ("sink", "reached"),
    [(StaticSink(frames=3), {0, 3}), (NoSink(), {2, 3}), (EMASink(frames=3, decay=0.9), {0, 1, 2, 3})],
)
def test_gradients_of_chunk_four_reach_what_is_remembered(sink: SinkStrategy, reached: set[int]) -> None:
    policy = MemoryPolicy(sink=sink, window_frames=9, chunk_frames=3)
    chunks = [random_kv(1, 3, seed).apply(torch.Tensor.requires_grad_) for seed in range(4)]
    read = policy.read(remembered(policy, chunks)[-1])
    (read.keys.square().sum() + read.values.square().sum()).backward()
    assert {
        index for index, chunk in enumerate(chunks) if chunk.keys.grad is not None and chunk.keys.grad.any()
    } == reached


def test_folding_starts_at_the_slot_of_the_first_frame() -> None:
    folded = fold_frames(ema(0.0), numbered(0, 1, 2), numbered(5, 6), first=5)
    assert numbers(folded) == [6, 1, 5]


@given(before=st.integers(0, 4), after=st.integers(0, 4), bounds=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_a_span_of_two_parts_is_that_of_both_in_a_row(before: int, after: int, bounds: tuple[int, int]) -> None:
    start, stop = sorted(bounds)
    old, new = numbered(*range(before)), numbered(*range(before, before + after))
    assert numbers(span(old, new, start, stop)) == list(range(before + after))[start:stop]


def test_folding_into_no_sink_ends() -> None:
    assert fold_frames(NoSink(), numbered(), numbered(1, 2), first=1).frames == 0


def test_the_window_holds_sink_and_chunk() -> None:
    MemoryPolicy(sink=StaticSink(frames=3), window_frames=6, chunk_frames=3)
    with pytest.raises(ValueError, match=r"memory\.window_frames is 5; it must be at least 6"):
        MemoryPolicy(sink=StaticSink(frames=3), window_frames=5, chunk_frames=3)


def test_nothing_is_remembered_at_the_start() -> None:
    policy = MemoryPolicy(sink=EMASink(frames=3, decay=0.9), window_frames=9, chunk_frames=3)
    memory = policy.start(numbered(7, dtype=torch.bfloat16))
    assert memory.seen == policy.read(memory).frames == 0
    assert_close(policy.append(memory, numbered(1, dtype=torch.bfloat16)).sink.keys.flatten(), torch.ones(1))


@pytest.mark.parametrize(("window_frames", "chunk_frames"), [(9, 3), (8, 3), (7, 3), (6, 3), (9, 4)])
@pytest.mark.parametrize("sink", [ema(0.9), StaticSink(frames=3), NoSink()])
def test_what_left_the_window_is_let_go(sink: SinkStrategy, window_frames: int, chunk_frames: int) -> None:
    """Neither sink nor recent frames are views of tensors that hold evicted ones, too."""
    policy = MemoryPolicy(sink=sink, window_frames=window_frames, chunk_frames=chunk_frames)
    chunks = [numbered(*range(start, start + chunk_frames)) for start in range(0, 6 * chunk_frames, chunk_frames)]
    for memory in remembered(policy, chunks):
        for held in (memory.sink, memory.recent):
            assert held.keys.untyped_storage().nbytes() == held.keys.nbytes
            assert held.values.untyped_storage().nbytes() == held.values.nbytes


def test_without_its_recent_frames_a_memory_is_what_it_was_before_them() -> None:
    policy = MemoryPolicy(sink=ema(0.9), window_frames=9, chunk_frames=3)
    memory = remembered(policy, [numbered(*range(start, start + 3)) for start in range(0, 18, 3)])[-1]
    before = memory.without_recent()
    assert (before.frames, before.seen) == (3, 15)
    assert before.recent.keys.untyped_storage().nbytes() == 0
    again = policy.append(before, numbered(15, 16, 17))
    assert numbers(policy.read(again)) == numbers(policy.read(memory))
    assert again.seen == memory.seen
