"""Bytes that streaming takes beyond weights and codec, whatever the length of the video."""

from dataclasses import dataclass

from reward_forcing.plan.activations import forward_workspace
from reward_forcing.plan.costs import Pass, Sizes, kv_bytes
from reward_forcing.shapes import Geometry


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """What a stream holds once its window is full, in bytes.

    Args:
        sizes: of the student.
        geometry: of its chunks.
        window: frames attended at once, sink and chunk included.
        sink: frames of the sink.
        words: tokens of a prompt.
        width: bytes of a number in passes.
        sink_width: bytes of a number in the sink.
        batch: videos.
    """

    sizes: Sizes
    geometry: Geometry
    window: int
    sink: int
    words: int
    width: int = 2
    sink_width: int = 4
    batch: int = 1

    def _frames(self, frames: int, width: int) -> int:
        tokens = self.geometry.tokens_per_frame
        return kv_bytes(self.sizes, frames=frames, tokens=tokens, batch=self.batch, width=width)

    @property
    def memory(self) -> int:
        """Of the remembered frames: the sink and the recent ones."""
        recent = self.window - self.sink - self.geometry.chunk_frames
        return self._frames(self.sink, self.sink_width) + self._frames(recent, self.width)

    @property
    def chunk(self) -> int:
        """Of the keys and values of the chunk being generated."""
        return self._frames(self.geometry.chunk_frames, self.width)

    @property
    def reading(self) -> int:
        """Of the copy of the remembered frames that a pass reads."""
        return self._frames(self.window - self.geometry.chunk_frames, self.width)

    @property
    def workspace(self) -> int:
        """Of a block while it runs (assumed: see activations.TRANSIENT)."""
        run = Pass(
            frames=self.geometry.chunk_frames,
            keys=self.window,
            tokens=self.geometry.tokens_per_frame,
            words=self.words,
            batch=self.batch,
        )
        return forward_workspace(self.sizes, run)

    @property
    def least(self) -> int:
        """Of a window without copies, all in the precision of passes, and a block's workspace: no stream takes less."""
        return self._frames(self.window, self.width) + self.workspace

    @property
    def peak(self) -> int:
        """At the worst moment: in a pass that reads a copy, or while a new sink is made beside the old one."""
        passing = self.memory + self.reading + self.chunk + self.workspace
        folding = self.memory + self.chunk + self._frames(self.sink, self.sink_width)
        return max(passing, folding)
