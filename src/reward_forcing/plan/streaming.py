"""Bytes that streaming takes beyond weights and codec, whatever the length of the video.

A test counts tensors while a small student streams, and finds these numbers within 3 %.
"""

from dataclasses import dataclass
from typing import Final

from reward_forcing.networks.rotary import TABLES
from reward_forcing.plan.costs import Sizes, kv_bytes
from reward_forcing.shapes import Geometry

FULL: Final = 4
"""Bytes of a number in fp32, in which keys and queries are rotated."""

ATTENDING: Final = 5
"""Tensors of the chunk's size beside those it attends to: the stream, what attention is given of it, the chunk's own
keys and values, and its queries."""

FEEDING: Final = 7
"""Tensors of the chunk's size around a feed-forward layer: the stream before the block and after each attention, what
the layers are given of it, and the chunk's own keys and values."""


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """What a stream holds once its window is full, in bytes.

    Args:
        sizes: of the student.
        geometry: of its chunks.
        window: frames attended at once, sink and chunk included.
        sink: frames of the sink.
        width: bytes of a number in passes.
        sink_width: bytes of a number in the sink.
        batch: videos.
    """

    sizes: Sizes
    geometry: Geometry
    window: int
    sink: int
    width: int = 2
    sink_width: int = 4
    batch: int = 1

    def _remembered(self, frames: int, width: int) -> int:
        tokens = self.geometry.tokens_per_frame
        return kv_bytes(self.sizes, frames=frames, tokens=tokens, batch=self.batch, width=width)

    def _tokens(self, frames: int) -> int:
        """Numbers of one tensor of so many frames in a block."""
        return self.batch * frames * self.geometry.tokens_per_frame * self.sizes.dim

    @property
    def memory(self) -> int:
        """Of the remembered frames: the sink and the recent ones."""
        recent = self.window - self.sink - self.geometry.chunk_frames
        return self._remembered(self.sink, self.sink_width) + self._remembered(recent, self.width)

    @property
    def reading(self) -> int:
        """Of the remembered frames of one layer as they are read: joined, in the precision of passes."""
        return self._remembered(self.window - self.geometry.chunk_frames, self.width) // self.sizes.layers

    @property
    def attending(self) -> int:
        """Of self-attention when it takes most: keys and values are joined with the chunk's, and keys are rotated."""
        keys, chunk = self._tokens(self.window), self._tokens(self.geometry.chunk_frames)
        copies = FULL + self.width if self.width < FULL else 0
        return (2 * self.width + copies + FULL) * keys + ATTENDING * self.width * chunk

    @property
    def turns(self) -> int:
        """Of the rotations of a window and of smaller ones before, one a pair of a head's numbers; they are kept."""
        chunk = self.geometry.chunk_frames
        kept = [min(seen, self.window) for seen in range(chunk, self.window + chunk, chunk)][-TABLES:]
        return FULL * sum(kept) * self.geometry.tokens_per_frame * self.sizes.dim // self.sizes.heads

    @property
    def feeding(self) -> int:
        """Of a feed-forward layer when it takes most: before and after its activation."""
        chunk = self._tokens(self.geometry.chunk_frames)
        return self.width * (FEEDING * chunk + 2 * chunk * self.sizes.ffn_dim // self.sizes.dim)

    @property
    def peak(self) -> int:
        """At the worst moment.

        That is inside a block: between blocks, while a layer's new sink is made beside the old one, tensors are fewer.
        """
        return self.memory + self.reading + self.turns + max(self.attending, self.feeding)
