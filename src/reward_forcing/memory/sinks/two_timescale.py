"""Some heads remember how the video began, the others what it has become."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.averaging import averaged, require_average, require_share
from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class TwoTimescaleEMASink:
    """A static sink in a share of the heads, EMA-Sink in the others.

    Heads are divided, not frames: every head then attends to as many frames as before, in the same places, so that
    attention costs the same; and no frame of the sink is lost to either timescale, also where it holds only one.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value at each eviction, in the heads that average; 1 is a static sink.
        static_share: share of the heads, rounded down, that keep the first frames: 1 is a static sink, 0 is EMA-Sink.

    Raises:
        ValueError: `frames` is not positive, or `decay` or `static_share` is outside [0, 1].
    """

    frames: int
    decay: float
    static_share: float
    absorbs_newest = False
    dtype: torch.dtype | None = torch.float32

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)
        require_share("static_share", self.static_share)

    def fold(self, sink: KV, evicted: KV) -> KV:
        """The first heads as they were; `decay sink + (1 - decay) evicted` in the others, frame by frame."""
        heads = sink.keys.shape[-2]
        weight = sink.keys.new_full((heads, 1), 1 - self.decay)
        weight[: int(self.static_share * heads)] = 0
        return averaged(sink, evicted, weight)
