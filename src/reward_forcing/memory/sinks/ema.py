"""EMA-Sink (Reward Forcing, section 3.2): the first frames keep absorbing what leaves the window."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class EMASink:
    """An exponential moving average over the first frames and all evicted ones, keys and values alike.

    It is kept in fp32: bf16 rounds most of an update with decay 0.999 away, which would make it a static sink.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value at each eviction; 1 is a static sink, 0 keeps the last evicted frames.

    Raises:
        ValueError: `frames` is not positive or `decay` is outside [0, 1].
    """

    frames: int
    decay: float
    dtype: torch.dtype | None = torch.float32

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"sink.frames is {self.frames}; an EMA sink keeps at least 1 (or choose sink=none)")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"sink.decay is {self.decay}; it must be within [0, 1]")

    def fold(self, sink: KV, evicted: KV) -> KV:
        """`decay sink + (1 - decay) evicted`, frame by frame."""
        weight = 1 - self.decay
        return KV(sink.keys.lerp(evicted.keys, weight), sink.values.lerp(evicted.values, weight))
