"""EMA-Sink whose decays are learned with the student."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from reward_forcing.memory.averaging import averaged, require_average
from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class LearnedDecayEMASink:
    """EMA-Sink with a decay for each head, the same in all layers: `sigmoid(logit(decay) + speed shift)`.

    The shifts are a parameter, 0 at first, that the student's optimiser trains: a loss on frames that attend to the
    sink reaches them through every fold, whether or not gradients pass through remembered frames. Weight decay pulls
    them towards the decay that was chosen. A decay of exactly 0 or 1 stays what it is.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value at each eviction, before anything is learned; 1 is a static sink.
        speed: how far a logit moves when its shift moves by 1; the learning rate is the student's, made for weights.
        heads: how many decays; 1: all heads share one.
        shifts: what was learned, a number a head; None: nothing yet.

    Raises:
        ValueError: `frames`, `speed` or `heads` is not positive, `decay` is outside [0, 1], or there are not as many
            shifts as heads.
    """

    frames: int
    decay: float
    speed: float
    heads: int = 1
    shifts: Sequence[float] | Tensor | None = field(default=None, compare=False)
    dtype: torch.dtype | None = torch.float32
    absorbs_newest = False

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)
        for name in ("speed", "heads"):
            if getattr(self, name) <= 0:
                raise ValueError(f"sink.{name} is {getattr(self, name)}; it must be positive")
        known = [0.0] * self.heads if self.shifts is None else self.shifts
        if len(known) != self.heads:
            raise ValueError(f"sink.shifts is {known}; it must hold {self.heads} numbers, as sink.heads says")
        if not isinstance(known, nn.Parameter):
            object.__setattr__(self, "shifts", nn.Parameter(torch.as_tensor(known, dtype=torch.float32)))

    def decays(self) -> Tensor:
        """The decay of each head."""
        assert isinstance(self.shifts, Tensor)
        return torch.sigmoid(logit(self.decay) + self.speed * self.shifts)

    def fold(self, sink: KV, evicted: KV) -> KV:
        """`decay sink + (1 - decay) evicted`, frame by frame, with the decay of each head.

        Raises:
            ValueError: the student has another number of heads.
        """
        heads = sink.keys.shape[-2]
        if self.heads not in (1, heads):
            raise ValueError(f"sink.heads is {self.heads}; allowed: {heads}, the student's, or 1 (all share a decay)")
        return averaged(sink, evicted, 1 - self.decays()[:, None])


def logit(share: float) -> float:
    """The inverse of the sigmoid, infinite at 0 and 1."""
    if share in (0, 1):
        return math.inf if share else -math.inf
    return math.log(share / (1 - share))
