"""Keys and values of video frames, as remembered by a causal student."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class KV:
    """Keys and values of some frames in all layers.

    Keys are kept as they were *before* rotary embedding: frames move through relative positions as a video grows, and
    an average of rotated keys means nothing. This is what makes it legal for a sink to average them.
    """

    keys: Float[Tensor, "layer batch frame token head dim"]
    values: Float[Tensor, "layer batch frame token head dim"]

    @property
    def frames(self) -> int:
        """How many frames are held."""
        return self.keys.shape[2]

    def apply(self, function: Callable[[Tensor], Tensor]) -> "KV":
        """The result of `function` on keys and on values."""
        return KV(function(self.keys), function(self.values))

    def between(self, start: int, stop: int | None = None) -> "KV":
        """The frames from `start` up to, not including, `stop`."""
        return self.apply(lambda tensor: tensor[:, :, start:stop])

    def to(self, dtype: torch.dtype) -> "KV":
        """The same frames in another precision."""
        return self.apply(lambda tensor: tensor.to(dtype))


def join(parts: Sequence[KV]) -> KV:
    """All frames of `parts`, in order."""
    filled = [part for part in parts if part.frames]
    if len(filled) < 2:
        return filled[0] if filled else parts[0]
    return KV(torch.cat([part.keys for part in filled], 2), torch.cat([part.values for part in filled], 2))
