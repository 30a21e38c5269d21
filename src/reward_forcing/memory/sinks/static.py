"""The attention sink of StreamingLLM, LongLive and Self Forcing++: the first frames, for ever."""

from dataclasses import dataclass

import torch

from reward_forcing.memory.kv import KV


@dataclass(frozen=True, kw_only=True)
class StaticSink:
    """Keeps the first frames unchanged and forgets what leaves the window.

    Raises:
        ValueError: `frames` is not positive.
    """

    frames: int
    dtype: torch.dtype | None = None
    absorbs_newest = False

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"sink.frames is {self.frames}; a static sink keeps at least 1 (or choose sink=none)")

    def fold(self, sink: KV, evicted: KV) -> KV:  # noqa: ARG002 (the protocol's name)
        """The sink as it was; what was evicted is forgotten."""
        return sink
