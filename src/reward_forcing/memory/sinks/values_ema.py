"""Where attention looks stays, what it finds there follows the video."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.averaging import moved, require_average
from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class ValuesEMASink:
    """The keys of the first frames for ever, with an exponential moving average of values.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old values at each eviction; 1 is a static sink.

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
        """The keys as they were; values `decay sink + (1 - decay) evicted`, frame by frame."""
        return KV(sink.keys, moved(sink.values, evicted.values, 1 - self.decay))
