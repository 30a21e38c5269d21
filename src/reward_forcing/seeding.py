"""Random numbers as functions of (seed, step, rank, what for).

No generator lives longer than the draw it was made for, so nothing random needs to be saved to resume a run exactly.
Numbers are drawn on the CPU and moved, so that every device sees the same noise.
"""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

import torch

from reward_forcing.shapes import Latents

Key: TypeAlias = tuple[int | str, ...]


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator that depends on `key` alone; different keys give independent streams."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def exit_step(seed: int, step: int, choices: int) -> int:
    """Which denoising step carries gradients at training step `step`; the same on every rank."""
    return int(torch.randint(choices, (), generator=generator(seed, step, "exit")))


@dataclass(frozen=True)
class VideoNoise:
    """The noise of a batch of videos, chunk by chunk, each video with a key of its own.

    A longer video starts with the same noise as a shorter one, and a video's noise does not depend on what else is in
    its batch.

    Args:
        keys: one key a video.
        chunk_shape: frames, channels, rows and columns of a chunk.
        device: where the noise is wanted.
        dtype: what it is wanted in; it is always drawn in fp32.
    """

    keys: tuple[Key, ...]
    chunk_shape: tuple[int, int, int, int]
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32

    def __call__(self, chunk: int, step: int) -> Latents:
        """The noise of chunk `chunk` before denoising step `step` (0: the start; later: the re-noising)."""
        drawn = [torch.randn(self.chunk_shape, generator=generator(*key, chunk, step)) for key in self.keys]
        return torch.stack(drawn).to(self.device, self.dtype)
