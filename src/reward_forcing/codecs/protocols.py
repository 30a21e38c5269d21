"""What the rest of the project expects of a codec and of a text encoder."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from reward_forcing.shapes import Latents, Prompts, Video


@runtime_checkable
class LatentCodec(Protocol):
    """Pixels <-> latents, usable chunk by chunk: a stream of chunks decodes to the stream of the decoded chunks."""

    def encode(self, video: Video) -> Latents:
        """Normalised latents (about zero mean, unit variance per channel) of a video in [-1, 1]."""
        ...

    def decode(self, latents: Latents) -> Video:
        """The video in [-1, 1] (not clamped) of normalised latents."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Words -> embeddings. The empty prompt is the unconditional (negative) one."""

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """One row of token features a prompt, all of the same number of tokens."""
        ...
