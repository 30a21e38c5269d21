"""What a pass over a chunk knows of earlier frames, and what becomes of its own: one layer after the other."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import Memory, MemoryPolicy


@runtime_checkable
class Past(Protocol):
    """Earlier frames, for a pass that asks for a layer's when it comes to that layer."""

    @property
    def frames(self) -> int:
        """How many frames are remembered, in every layer; none before a video begins."""

    def read(self, layer: int) -> KV | None:
        """What a layer attends to besides the chunk; None before a video begins."""

    def write(self, layer: int, chunk: KV) -> None:
        """Take what a layer has made of the chunk; what it read is not needed any more."""


class Remembered:
    """What a student remembers of one batch of videos: the past of a pass that writes the chunk into memory.

    A layer's memory is replaced as soon as the layer has run, so that old and new are there together for one layer
    only. The memories themselves are values: whoever holds some keeps them as they are.

    Args:
        policy: how memories grow, forget and are read.
    """

    def __init__(self, policy: MemoryPolicy) -> None:
        self.policy = policy
        self.layers: dict[int, Memory] = {}

    @property
    def frames(self) -> int:
        """How many frames are remembered, in every layer."""
        return next((memory.frames for memory in self.layers.values()), 0)

    @property
    def seen(self) -> int:
        """Frames of the video so far."""
        return next((memory.seen for memory in self.layers.values()), 0)

    def read(self, layer: int) -> KV | None:
        """A layer's sink and recent frames; None before a video begins."""
        memory = self.layers.get(layer)
        return None if memory is None else self.policy.read(memory)

    def write(self, layer: int, chunk: KV) -> None:
        """Remember a layer's chunk."""
        memory = self.layers.get(layer) or self.policy.start(chunk)
        self.layers[layer] = self.policy.append(memory, chunk)

    def forget(self) -> None:
        """Nothing is remembered."""
        self.layers.clear()

    def forget_recent(self) -> None:
        """Only the sinks are remembered, as if the recent frames had not been seen yet."""
        self.layers.update({layer: memory.without_recent() for layer, memory in self.layers.items()})


@dataclass(frozen=True)
class ReadOnly:
    """The past of a pass that is not remembered."""

    past: Past

    @property
    def frames(self) -> int:
        """How many frames are remembered, in every layer."""
        return self.past.frames

    def read(self, layer: int) -> KV | None:
        """What a layer attends to besides the chunk; None before a video begins."""
        return self.past.read(layer)

    def write(self, layer: int, chunk: KV) -> None:
        """The chunk is forgotten."""


@dataclass(frozen=True)
class Folding:
    """The past of a pass that itself may carry no gradient: what a sink learns of its folds gets one nonetheless.

    Where no sink learns, nothing that is folded asks for gradients, and there is nothing to keep for them.

    Args:
        past: what is read and written.
        with_gradient: whether folds carry gradients.
    """

    past: Past
    with_gradient: bool

    @property
    def frames(self) -> int:
        """How many frames are remembered, in every layer."""
        return self.past.frames

    def read(self, layer: int) -> KV | None:
        """What a layer attends to besides the chunk; None before a video begins."""
        return self.past.read(layer)

    def write(self, layer: int, chunk: KV) -> None:
        """Remember a layer's chunk."""
        with torch.set_grad_enabled(self.with_gradient):
            self.past.write(layer, chunk)
