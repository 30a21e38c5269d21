"""No sink: a sliding window."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class NoSink:
    """Keeps no first frames and forgets what leaves the window."""

    frames: int = 0
    dtype: torch.dtype | None = None
    absorbs_newest = False

    def __post_init__(self) -> None:
        if self.frames:
            raise ValueError(f"sink.frames is {self.frames}; without a sink it must be 0 (or choose sink=static)")

    def fold(self, sink: KV, evicted: KV) -> KV:  # noqa: ARG002 (the protocol's name)
        """The empty sink; what was evicted is forgotten."""
        return sink
