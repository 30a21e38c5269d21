"""What must hold for every sink under configs/sink: a new one is tested before its author writes a test."""

import dataclasses
import inspect
import json
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.composition.places import options, shipped
from reward_forcing.memory.kv import KV
from reward_forcing.memory.learning import learned, plain_values
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.plan.situation import situation_of
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from reward_forcing.streaming import MemoryWish, load_streamer
from tests import tiny, training
from tests.tiny import map_batch, normal, remembered

NAMES = sorted(options("sink"))
HEADS = tiny.SIZES["heads"]
PAPER = {"none", "static", "ema"}
VARIANTS = {"ema_newest", "norm_preserving_ema", "cosine_gated_ema", "two_timescale", "values_ema", "learned_decay"}


def configured(name: str) -> Any:
    return compose([f"sink={name}", f"networks.heads={HEADS}"])


@pytest.fixture(params=NAMES, scope="module")
def sink(request: pytest.FixtureRequest) -> SinkStrategy:
    built = build(configured(request.param), "sink")
    assert isinstance(built, SinkStrategy)
    return built


def random_kv(batch: int, frames: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> KV:
    """Frames with several heads, since sinks may treat them apart."""
    shape = (2, batch, frames, 2, HEADS, 4)
    return KV(normal(*shape, seed=seed).to(dtype), normal(*shape, seed=seed + 5000).to(dtype))


def policy(sink: SinkStrategy, window: int | None = 9) -> MemoryPolicy:
    return MemoryPolicy(sink=sink, window_frames=window, chunk_frames=3)


def chunks(count: int, batch: int = 2, dtype: torch.dtype = torch.float32) -> list[KV]:
    return [random_kv(batch, 3, seed, dtype) for seed in range(count)]


def same(one: KV, other: KV) -> bool:
    return torch.equal(one.keys, other.keys) and torch.equal(one.values, other.values)


def test_the_sinks_of_the_paper_and_their_variants_are_there() -> None:
    assert set(NAMES) >= PAPER | VARIANTS


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_knows_its_precision_and_its_frames(name: str) -> None:
    config = configured(name)
    known, built = situation_of(plain(config)), build(config, "sink")
    assert known.sink == built.frames
    assert known.sink_width == (built.dtype and torch.empty(0, dtype=built.dtype).element_size())


def test_a_sink_is_its_plain_values(sink: SinkStrategy) -> None:
    """What it holds, learned parameters too, is what its constructor takes: exports note it, streams have it again."""
    told = plain_values(vars(sink))
    again: Any = type(sink)(**told)
    assert told.keys() == inspect.signature(type(sink)).parameters.keys()
    assert plain_values(vars(again)) == told
    assert learned(sink).keys() == learned(again).keys()
    kept, evicted = random_kv(2, sink.frames, 1), random_kv(2, sink.frames, 2)
    assert same(sink.fold(kept, evicted), again.fold(kept, evicted))


def test_it_is_a_value(sink: SinkStrategy) -> None:
    value: Any = sink
    assert hash(value) == hash(dataclasses.replace(value))
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.frames = 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_folding_keeps_shape_and_precision(sink: SinkStrategy, dtype: torch.dtype) -> None:
    kept = random_kv(2, sink.frames, 1, sink.dtype or dtype)
    evicted = random_kv(2, sink.frames, 2, sink.dtype or dtype)
    folded = sink.fold(kept, evicted)
    assert folded.keys.shape == folded.values.shape == kept.keys.shape
    assert folded.keys.dtype == folded.values.dtype == kept.keys.dtype
    assert folded.keys.isfinite().all()


def test_folding_is_pure(sink: SinkStrategy) -> None:
    kept, evicted = random_kv(2, sink.frames, 1), random_kv(2, sink.frames, 2)
    copies = [part.apply(torch.clone) for part in (kept, evicted)]
    assert same(sink.fold(kept, evicted), sink.fold(kept, evicted))
    assert same(kept, copies[0])
    assert same(evicted, copies[1])


def test_videos_of_a_batch_do_not_meet(sink: SinkStrategy) -> None:
    alone = [map_batch(chunk, lambda tensor: tensor[1:2]) for chunk in chunks(7)]
    whole, single = (remembered(policy(sink), parts)[-1] for parts in (chunks(7), alone))
    together = map_batch(policy(sink).read(whole), lambda tensor: tensor[1:2])
    assert same(together, policy(sink).read(single))


def test_memory_stays_within_the_window(sink: SinkStrategy) -> None:
    states = remembered(policy(sink), chunks(12))
    sizes = [policy(sink).read(memory).frames for memory in states]
    assert sizes == [3, *[6] * 11]
    assert [memory.seen for memory in states] == [3 * count for count in range(1, 13)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decay_one_is_a_static_sink_bit_for_bit(sink: SinkStrategy, dtype: torch.dtype) -> None:
    if not hasattr(sink, "decay"):
        pytest.skip("it averages nothing")
    static = policy(StaticSink(frames=3))
    value: Any = sink
    never = policy(dataclasses.replace(value, decay=1.0))
    parts = chunks(7, dtype=dtype)
    for one, other in zip(remembered(never, parts), remembered(static, parts), strict=True):
        assert same(never.read(one), static.read(other))


def test_an_average_moves_and_is_kept_in_full_precision(sink: SinkStrategy) -> None:
    parts = chunks(7, dtype=torch.bfloat16)
    memory = remembered(policy(sink), parts)[-1]
    moves = hasattr(sink, "decay")
    assert memory.sink.keys.dtype == (torch.float32 if moves else torch.bfloat16)
    first = parts[0].to(memory.sink.keys.dtype).values.narrow(2, 0, sink.frames)
    assert torch.equal(memory.sink.values, first) != moves


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_recent_frames_are_remembered_as_they_were(sink: SinkStrategy, dtype: torch.dtype) -> None:
    parts = chunks(8, dtype=dtype)
    read = policy(sink).read(remembered(policy(sink), parts)[-1])
    assert same(read.between(3), parts[-1])
    assert read.keys.dtype == dtype


def test_nothing_is_folded_before_the_window_is_full(sink: SinkStrategy) -> None:
    parts = chunks(2)
    read = policy(sink).read(remembered(policy(sink), parts)[-1])
    assert torch.equal(read.keys, torch.cat([part.keys for part in parts], 2))


def test_without_a_window_everything_is_remembered(sink: SinkStrategy) -> None:
    parts = chunks(6)
    read = policy(sink, None).read(remembered(policy(sink, None), parts)[-1])
    assert torch.equal(read.keys, torch.cat([part.keys for part in parts], 2))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_chunks_of_any_size_fit(sink: SinkStrategy, size: int) -> None:
    flexible = MemoryPolicy(sink=sink, window_frames=9, chunk_frames=4)
    states = remembered(flexible, [random_kv(1, size, seed) for seed in range(9)])
    assert max(flexible.read(memory).frames for memory in states) <= 5
    assert states[-1].seen == 9 * size


def test_gradients_flow_through_what_is_remembered(sink: SinkStrategy) -> None:
    parts = [chunk.apply(torch.Tensor.requires_grad_) for chunk in chunks(5)]
    policy(sink).read(remembered(policy(sink), parts)[-1]).keys.square().sum().backward()
    assert parts[-1].keys.grad is not None
    for part in parts:
        assert part.keys.grad is None or part.keys.grad.isfinite().all()


@torch.no_grad()
def test_a_stream_is_prefix_consistent_and_finite(sink: SinkStrategy) -> None:
    rollout = Rollout(levels=(1.0, 0.6), memory=policy(sink))
    noise = VideoNoise((("sweep", 0),), (3, 2, 4, 4))
    long, short = (
        generate(rollout.stream(tiny.network(), noise, always(tiny.prompts()), chunks=range(count))) for count in (6, 4)
    )
    assert long.isfinite().all()
    assert_close(long[:, :12], short, atol=0, rtol=0)


def test_a_student_trains_with_it(sink: SinkStrategy) -> None:
    """A student's turn of a tiny distillation, in which chunks of one frame leave a window of three."""
    value: Any = sink
    module, wanted = training.distillation(), dataclasses.replace(value, frames=min(1, sink.frames))
    memory = MemoryPolicy(sink=wanted, window_frames=3, chunk_frames=1)
    module.rollout = dataclasses.replace(module.rollout, memory=memory)
    before = [parameter.clone() for parameter in module.student.parameters()]
    reports = training.Reports()
    training.fit(module, 1, reports)
    assert reports.all[0]["student/loss"].isfinite()
    assert any(not torch.equal(*pair) for pair in zip(before, module.student.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_student_trained_with_another_streams_with_it(name: str) -> None:
    decay = 0.5 if "decay" in configured(name).sink else None
    student = shipped("checkpoints/toy/initial_student.safetensors")
    streamer = load_streamer(student, wish=MemoryWish(sink=name, decay=decay))
    assert json.loads(json.dumps(streamer.memory)).get("decay") == decay
    video = torch.cat([*streamer.stream(["red circle fast pan-slow"], [0], chunks=4)], 1)
    assert video.isfinite().all()
