"""Which prompt holds in which chunk of a video."""

from dataclasses import dataclass, field

import torch

from reward_forcing.codecs.protocols import TextEncoder


@dataclass(frozen=True)
class Script:
    """The encoded prompts of each chunk of some videos, under switches by frame, counted from the first chunk's."""

    switches: dict[int, str]
    chunk_frames: int
    text: TextEncoder
    prompts: tuple[str, ...]
    device: torch.device
    _encoded: dict[tuple[str, ...], torch.Tensor] = field(default_factory=dict, repr=False)

    def prompts_at(self, chunk: int) -> tuple[str, ...]:
        """The prompts that hold in a chunk: those of the last switch in it or before it."""
        frames = [frame for frame in sorted(self.switches) if frame // self.chunk_frames <= chunk]
        return (self.switches[frames[-1]],) * len(self.prompts) if frames else self.prompts

    def __call__(self, chunk: int) -> torch.Tensor:
        """The prompts that hold in a chunk, encoded; the same tensor as long as they hold."""
        prompts = self.prompts_at(chunk)
        if prompts not in self._encoded:
            self._encoded.clear()
            self._encoded[prompts] = self.text(prompts).to(self.device)
        return self._encoded[prompts]
