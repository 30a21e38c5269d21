"""A causal student's memory: a window of recent frames and a sink that absorbs what leaves it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from reward_forcing.memory.kv import KV, join


@runtime_checkable
class SinkStrategy(Protocol):
    """What becomes of the first frames, and of the frames that leave the window."""

    @property
    def frames(self) -> int:
        """How many of a video's first frames the sink keeps."""

    @property
    def dtype(self) -> torch.dtype | None:
        """The precision the sink is kept in; None keeps that of the student."""

    @property
    def absorbs_newest(self) -> bool:
        """Whether, as frames leave, it is as many of the newest that are folded, which stay, instead of themselves."""

    def fold(self, sink: KV, evicted: KV) -> KV:
        """The sink after absorbing `evicted`, which has as many frames and is of the same layer; pure."""


@dataclass(frozen=True)
class Memory:
    """What a layer of a student remembers of one batch of videos; a value, never changed in place."""

    sink: KV
    recent: KV
    seen: int
    """Frames of the video so far."""

    @property
    def frames(self) -> int:
        """How many frames are remembered."""
        return self.sink.frames + self.recent.frames

    def without_recent(self) -> "Memory":
        """As if the recent frames had not been seen yet."""
        return Memory(self.sink, self.recent.nothing(), self.seen - self.recent.frames)


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """How a memory grows, forgets and is read.

    Args:
        sink: what becomes of the first and of the evicted frames.
        window_frames: frames attended at once, *including* the sink and the chunk being generated; None never forgets.
        chunk_frames: frames in the chunks to come, for which the window keeps room.

    Raises:
        ValueError: the window cannot hold the sink and a chunk.
    """

    sink: SinkStrategy
    window_frames: int | None
    chunk_frames: int

    def __post_init__(self) -> None:
        if self.window_frames is not None and self.window_frames < self.sink.frames + self.chunk_frames:
            least = self.sink.frames + self.chunk_frames
            raise ValueError(
                f"memory.window_frames is {self.window_frames}; it must be at least {least}: "
                f"sink.frames ({self.sink.frames}) + geometry.chunk_frames ({self.chunk_frames})"
            )

    def start(self, like: KV) -> Memory:
        """The memory of videos that have not begun, for frames like these."""
        empty = like.nothing()
        return Memory(sink=empty.to(self.sink.dtype or empty.keys.dtype), recent=empty, seen=0)

    def append(self, memory: Memory, chunk: KV) -> Memory:
        """Remember a finished chunk.

        The first frames fill the sink. Frames for which the window has no room any more, with a chunk to come, are
        evicted, oldest first, and folded into the sink (EMA-Sink: S_i = decay S_{i-1} + (1 - decay) K_{i-w}), or as
        many of the newest in their place.
        """
        room, dtype = self.sink.frames - memory.sink.frames, memory.sink.keys.dtype
        sink = join([memory.sink, chunk.between(0, room).to(dtype)]) if room else memory.sink
        old, new = memory.recent, chunk.between(room)
        seen = memory.seen + chunk.frames
        kept = sink.frames + old.frames + new.frames + self.chunk_frames
        surplus = 0 if self.window_frames is None else max(0, kept - self.window_frames)
        if surplus:
            recent = old.frames + new.frames
            start = recent - surplus if self.sink.absorbs_newest else 0
            absorbed = span(old, new, start, start + surplus).to(dtype)
            sink = fold_frames(self.sink, sink, absorbed, first=seen - recent + start)
            old, new = old.between(surplus), new.between(max(0, surplus - old.frames))
        return Memory(sink.alone(), join([old, new]).alone(), seen)

    def read(self, memory: Memory) -> KV:
        """What the next chunk attends to besides itself: the sink, then the recent frames, at positions 0, 1, 2, ..."""
        return join([memory.sink.to(memory.recent.keys.dtype), memory.recent])


def span(old: KV, new: KV, start: int, stop: int) -> KV:
    """The frames from `start` up to, not including, `stop`, of two parts in a row."""
    before = old.frames
    return join([old.between(start, stop), new.between(max(0, start - before), max(0, stop - before))])


def fold_frames(strategy: SinkStrategy, sink: KV, evicted: KV, *, first: int) -> KV:
    """Fold any number of evicted frames: frame `i` of the video meets sink frame `i` modulo the sink's size.

    Args:
        strategy: how frames are absorbed.
        sink: the full sink.
        evicted: the frames that leave, in order.
        first: index in the video of the first of them.
    """
    done = 0
    while sink.frames and done < evicted.frames:
        slot = (first + done) % sink.frames
        stop = slot + min(sink.frames - slot, evicted.frames - done)
        folded = strategy.fold(sink.between(slot, stop), evicted.between(done, done + stop - slot))
        sink = join([sink.between(0, slot), folded, sink.between(stop)])
        done += stop - slot
    return sink
