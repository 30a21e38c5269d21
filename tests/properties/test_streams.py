"""Streams of any shape: whatever the sizes of chunk, window and sink, the same promises hold."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.flow import level_of
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import Memory, MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

CHUNKS = 6


@dataclass(frozen=True)
class Shape:
    """One way to stream."""

    sink: SinkStrategy
    chunk: int
    spare: int

    @property
    def policy(self) -> MemoryPolicy:
        window = self.sink.frames + self.chunk + self.spare
        return MemoryPolicy(sink=self.sink, window_frames=window, chunk_frames=self.chunk)

    @property
    def rollout(self) -> Rollout:
        return Rollout(levels=(1.0, 0.7), memory=self.policy)

    def video(self, *videos: int, chunks: int = CHUNKS, prompt: Tensor | None = None) -> Tensor:
        noise = VideoNoise(tuple(("shape", video) for video in videos), (self.chunk, 2, 4, 4))
        given_prompt = tiny.prompts(len(videos)) if prompt is None else prompt
        return generate(self.rollout.stream(tiny.network(), noise, always(given_prompt), chunks=range(chunks)))


averages = st.builds(EMASink, frames=st.integers(1, 4), decay=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
sinks = st.just(NoSink()) | st.builds(StaticSink, frames=st.integers(1, 4)) | averages
shapes = st.builds(Shape, sink=sinks, chunk=st.integers(1, 3), spare=st.integers(0, 4))
some = settings(max_examples=8)


@some
@given(shape=shapes, chunks=st.integers(1, CHUNKS))
@torch.no_grad()
def test_a_shorter_stream_is_the_beginning(shape: Shape, chunks: int) -> None:
    assert torch.equal(shape.video(0, chunks=chunks), shape.video(0)[:, : chunks * shape.chunk])


@some
@given(shape=shapes)
@torch.no_grad()
def test_videos_do_not_meet(shape: Shape) -> None:
    prompt = tiny.prompts(2)
    together = shape.video(3, 4, prompt=prompt)
    assert_close(shape.video(4, prompt=prompt[1:]), together[1:], atol=5e-5, rtol=1e-3)


@some
@given(shape=shapes)
@torch.no_grad()
def test_a_stream_goes_on_from_its_own_beginning(shape: Shape) -> None:
    whole = shape.video(0)
    noise = VideoNoise((("shape", 0),), (shape.chunk, 2, 4, 4))
    rest = shape.rollout.stream(
        tiny.network(), noise, always(tiny.prompts()), chunks=range(3, CHUNKS), start=whole[:, : 3 * shape.chunk]
    )
    assert torch.equal(generate(rest), whole)


def context(shape: Shape, clean: Tensor) -> tuple[list[Memory], list[KV]]:
    """The memory after each chunk of a finished video, and what the student wrote of it; layers stacked."""
    student, policy = tiny.network(), shape.policy
    memories: list[Memory] = []
    writings: list[KV] = []
    for part in clean.split(shape.chunk, 1):
        known = policy.read(memories[-1]) if memories else None
        written = tiny.passed(student, part, level_of(part, 0.0), tiny.prompts(), known=known)[1]
        memories.append(policy.append(memories[-1] if memories else policy.start(written), written))
        writings.append(written)
    return memories, writings


@some
@given(shape=shapes)
@torch.no_grad()
def test_what_is_read_is_what_was_written(shape: Shape) -> None:
    """Recent frames as they were written; the rest of the window is the sink."""
    memories, writings = context(shape, shape.video(0))
    written = torch.cat([part.keys for part in writings], 2)
    for count, memory in enumerate(memories, start=1):
        seen = written[:, :, : count * shape.chunk]
        assert memory.seen == seen.shape[2]
        assert memory.recent.frames <= shape.spare
        if memory.recent.frames:
            assert torch.equal(memory.recent.keys, seen[:, :, -memory.recent.frames :])
        assert memory.sink.frames == min(shape.sink.frames, seen.shape[2])


@some
@given(shape=shapes)
@torch.no_grad()
def test_layers_are_remembered_as_their_stack_is(shape: Shape) -> None:
    clean, student, memory = shape.video(0), tiny.network(), Remembered(shape.policy)
    for part in clean.split(shape.chunk, 1):
        student(part, level_of(part, 0.0), tiny.prompts(), memory)
    whole = context(shape, clean)[0][-1]
    assert memory.frames == whole.frames
    for layer, one in memory.layers.items():
        assert one.seen == memory.seen == whole.seen
        assert torch.equal(one.sink.keys, whole.sink.keys[layer])
        assert torch.equal(one.sink.values, whole.sink.values[layer])
        assert torch.equal(one.recent.keys, whole.recent.keys[layer])


@some
@given(sink=averages, chunk=st.integers(1, 3), spare=st.integers(0, 4))
@torch.no_grad()
def test_the_sink_is_the_weighted_sum_of_what_left(sink: EMASink, chunk: int, spare: int) -> None:
    """For each slot, the closed form over all frames that met it, in every layer, for keys and values alike."""
    shape = Shape(sink, chunk, spare)
    memories, writings = context(shape, shape.video(0))
    memory = memories[-1]
    left = memory.seen - memory.recent.frames
    for which in ("keys", "values"):
        written = torch.cat([getattr(part, which) for part in writings], 2)
        for slot in range(min(sink.frames, memory.seen)):
            visitors = range(slot + sink.frames, left, sink.frames)
            expected = sink.decay ** len(visitors) * written[:, :, slot]
            for rank, frame in enumerate(reversed(visitors)):
                expected = expected + (1 - sink.decay) * sink.decay**rank * written[:, :, frame]
            assert_close(getattr(memory.sink, which)[:, :, slot], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("spare", [0, 2])
@torch.no_grad()
def test_a_stream_never_looks_outside_its_window(spare: int) -> None:
    """Without a sink, frames older than every window in between have no say: the past is forgotten."""
    shape, student = Shape(NoSink(), 1, spare), tiny.network(layers=1)
    noise = VideoNoise((("shape", 0),), (1, 2, 4, 4))

    def last(start: Tensor) -> Tensor:
        chunks = shape.rollout.stream(student, noise, always(tiny.prompts()), chunks=range(1), start=start)
        return generate(chunks)[:, start.shape[1] :]

    start = tiny.latents(1, 6, 1)
    changed = torch.cat([tiny.latents(1, 2, 2), start[:, 2:]], 1)
    assert_close(last(start), last(changed), atol=1e-6, rtol=1e-6)
    if spare:
        recent = torch.cat([start[:, :5], tiny.latents(1, 1, 3)], 1)
        assert not torch.allclose(last(start), last(recent))
