"""Keys and values of video frames, as remembered by a causal student."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

FRAME: Final = -4
"""The axis of frames, whatever comes before batches."""


@dataclass(frozen=True)
class KV:
    """Keys and values of some frames in one layer, or in stacked layers.

    Keys are kept as they were *before* rotary embedding: frames move through relative positions as a video grows, and
    an average of rotated keys means nothing. This is what makes it legal for a sink to average them.
    """

    keys: Float[Tensor, "*layer batch frame token head dim"]
    values: Float[Tensor, "*layer batch frame token head dim"]

    @property
    def frames(self) -> int:
        """How many frames are held."""
        return self.keys.shape[FRAME]

    def apply(self, function: Callable[[Tensor], Tensor]) -> "KV":
        """The result of `function` on keys and on values."""
        return KV(function(self.keys), function(self.values))

    def between(self, start: int, stop: int | None = None) -> "KV":
        """The frames from `start` up to, not including, `stop`."""
        return self.apply(lambda tensor: tensor[..., start:stop, :, :, :])

    def nothing(self) -> "KV":
        """No frames, in tensors that are no views of these."""
        return self.between(0, 0).apply(torch.empty_like)

    def alone(self) -> "KV":
        """The same frames, in tensors that are no views of larger ones."""
        return self.apply(lambda tensor: tensor.clone() if is_part(tensor) else tensor)

    def to(self, dtype: torch.dtype) -> "KV":
        """The same frames in another precision."""
        return self.apply(lambda tensor: tensor.to(dtype))


def join(parts: Sequence[KV]) -> KV:
    """All frames of `parts`, in order."""
    filled = [part for part in parts if part.frames]
    if len(filled) < 2:
        return filled[0] if filled else parts[0]
    return KV(torch.cat([part.keys for part in filled], FRAME), torch.cat([part.values for part in filled], FRAME))


def is_part(tensor: Tensor) -> bool:
    """Whether a tensor keeps more in memory than it shows."""
    return tensor.untyped_storage().nbytes() > tensor.nbytes
