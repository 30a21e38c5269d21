"""EMA-Sink whose keys stay as long as keys are."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm

from reward_forcing.memory.averaging import moved, require_average
from reward_forcing.memory.kv import KV

SHORT = 1e-30
"""Keys shorter than this have no direction that could be kept."""


@dataclass(frozen=True, kw_only=True)
class NormPreservingEMASink:
    """Direction and length of keys are averaged apart; values as in EMA-Sink.

    The mean of keys that point apart is shorter than they are, which no key out of RMSNorm is: attention would turn
    away from a sink the more it has absorbed. Here a key points where the mean points, and is as long as the running
    mean of lengths, for each head and token.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value at each eviction; 1 is a static sink.

    Raises:
        ValueError: `frames` is not positive or `decay` is outside [0, 1].
    """

    frames: int
    decay: float
    absorbs_newest = False
    dtype: torch.dtype | None = torch.float32

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)

    def fold(self, sink: KV, evicted: KV) -> KV:
        """Keys `n m / |m|` with `m` the moving average of keys and `n` that of their lengths."""
        weight = 1 - self.decay
        mean = moved(sink.keys, evicted.keys, weight)
        wanted = moved(lengths(sink.keys), lengths(evicted.keys), weight)
        keys = mean * (wanted / lengths(mean).clamp_min(SHORT))
        return KV(keys, moved(sink.values, evicted.values, weight))


def lengths(keys: Tensor) -> Tensor:
    """The Euclidean length of each head's part of each token's key."""
    length: Tensor = vector_norm(keys, dim=-1, keepdim=True)
    return length
