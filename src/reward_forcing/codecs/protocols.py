"""What the rest of the project expects of a codec and of a text encoder."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from reward_forcing.shapes import Latents, Prompts, Video


@runtime_checkable
class LatentCodec(Protocol):
    """Pixels <-> latents, of whole clips or chunk by chunk: a stream of chunks becomes what the whole clip would."""

    def encode(self, video: Video) -> Latents:
        """Normalised latents (about zero mean, unit variance per channel) of a video in [-1, 1]."""
        ...

    def encode_parts(self, parts: Iterator[Video]) -> Iterator[Latents]:
        """The latents of a whole video that comes in parts, as soon as they can be told; no part is kept.

        The first part has `video_frames(n)` frames for some n, a later one as many as n more latent frames take.
        """
        ...

    def decode(self, latents: Latents) -> Video:
        """The video in [-1, 1] (not clamped) of normalised latents."""
        ...

    def decode_next(self, latents: Latents, past: Any = None) -> tuple[Video, Any]:
        """The video frames of the next latents of a stream, and what decoding those after them takes.

        Args:
            latents: the next ones.
            past: what the call before returned; None: the stream begins.
        """
        ...

    def video_frames(self, frames: int) -> int:
        """How many video frames a clip of `frames` latent frames has."""
        ...

    def to(self, device: torch.device | str, /) -> "LatentCodec":
        """The same codec, computing there."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Words -> embeddings. The empty prompt is the unconditional (negative) one."""

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """One row of token features a prompt, all of the same number of tokens."""
        ...

    def prepare(self, prompts: Sequence[str]) -> None:
        """Refuse prompts that cannot be encoded (ValueError), and do ahead what can be done ahead."""
        ...
