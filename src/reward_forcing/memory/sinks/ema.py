"""EMA-Sink (Reward Forcing, section 3.2): the first frames keep absorbing what leaves the window."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.averaging import averaged, require_average
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
    absorbs_newest = False

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)

    def fold(self, sink: KV, evicted: KV) -> KV:
        """`decay sink + (1 - decay) evicted`, frame by frame."""
        return averaged(sink, evicted, 1 - self.decay)
