"""EMA-Sink as the released code had it at first: what it absorbs is still in the window."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.averaging import averaged, require_average
from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class NewestEMASink:
    """An average over the first frames and, whenever frames leave the window, as many of the newest, which stay.

    The newest frames count twice in attention, and those after the first ones that fill the window never enter. This
    is what the released code did until its commit of 15 December 2025, and so what the paper's first numbers come from.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value at each eviction; 1 is a static sink.

    Raises:
        ValueError: `frames` is not positive or `decay` is outside [0, 1].
    """

    frames: int
    decay: float
    absorbs_newest = True
    dtype: torch.dtype | None = torch.float32

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)

    def fold(self, sink: KV, evicted: KV) -> KV:
        """`decay sink + (1 - decay) newest`, frame by frame."""
        return averaged(sink, evicted, 1 - self.decay)
