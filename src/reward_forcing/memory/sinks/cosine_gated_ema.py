"""EMA-Sink that absorbs what is like itself, and hardly what is not."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from reward_forcing.memory.averaging import averaged, require_average
from reward_forcing.memory.kv import KV

SHORT = 1e-12
"""Products of lengths below this count as this."""

TOKEN_AND_DIM = (-3, -1)
"""The axes that a frame's keys in one head have."""


@dataclass(frozen=True, kw_only=True)
class CosineGatedEMASink:
    """The decay of each frame and head depends on how alike the keys of the sink and of the evicted frame are.

    With `c` the cosine between both, over tokens and dimensions, the weight of the evicted frame is
    `(1 - decay) max(0, c) ** sharpness`: a frame that continues the sink is absorbed as by EMA-Sink, one that has
    nothing in common with it (a cut, an occlusion, a camera that has left) is not, and cannot wash it out.

    Args:
        frames: how many frames the sink holds.
        decay: weight of the old value where both are alike; 1 is a static sink.
        sharpness: how fast the gate closes; 0 is EMA-Sink.

    Raises:
        ValueError: `frames` is not positive, `decay` is outside [0, 1] or `sharpness` is negative.
    """

    frames: int
    decay: float
    sharpness: float
    dtype: torch.dtype | None = torch.float32
    absorbs_newest = False

    def __post_init__(self) -> None:
        require_average(self.frames, self.decay)
        if self.sharpness < 0:
            raise ValueError(f"sink.sharpness is {self.sharpness}; it must be at least 0")

    def fold(self, sink: KV, evicted: KV) -> KV:
        """`sink + (1 - decay) max(0, c) ** sharpness (evicted - sink)`, for each frame and head."""
        gate = cosine(sink.keys, evicted.keys).clamp_min(0) ** self.sharpness
        return averaged(sink, evicted, (1 - self.decay) * gate)


def cosine(
    one: Float[Tensor, "*place frame token head dim"], other: Float[Tensor, "*place frame token head dim"]
) -> Float[Tensor, "*place frame 1 head 1"]:
    """How alike the keys of frames are, from -1 to 1, for each frame and head."""
    product = (one * other).sum(TOKEN_AND_DIM, keepdim=True)
    lengths: list[Tensor] = [vector_norm(keys, dim=TOKEN_AND_DIM, keepdim=True) for keys in (one, other)]
    return product / (lengths[0] * lengths[1]).clamp_min(SHORT)
