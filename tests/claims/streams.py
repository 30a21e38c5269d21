"""A small student streams, and what it attends to, writes and folds is noted."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Past
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

CHUNK, WINDOW, TOKENS = 3, 9, 4
"""As in the paper: three frames a chunk, nine attended at once. Four tokens a frame."""

LEVELS = (1.0, 0.9, 0.75, 0.5)
EMA = EMASink(frames=CHUNK, decay=0.9)
STATIC = StaticSink(frames=CHUNK)


@dataclass
class Pass:
    """A pass: its noise level; layer by layer what it read and wrote; frames of each fold since it began."""

    level: float
    chunk_frames: int
    read: list[KV | None] = field(default_factory=list)
    wrote: list[KV] = field(default_factory=list)
    folds: list[int] = field(default_factory=list)

    @property
    def attended(self) -> list[int]:
        """Tokens that each layer attended to, its own included."""
        return [TOKENS * (self.chunk_frames + (known.frames if known else 0)) for known in self.read]


@dataclass
class NotedPast:
    """A past that notes what passes through it."""

    past: Past
    notes: Pass

    @property
    def frames(self) -> int:
        return self.past.frames

    def read(self, layer: int) -> KV | None:
        known = self.past.read(layer)
        self.notes.read.append(known)
        return known

    def write(self, layer: int, chunk: KV) -> None:
        self.notes.wrote.append(chunk)
        self.past.write(layer, chunk)


class Diary(nn.Module):
    """A student that notes its passes."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student, self.passes = student, list[Pass]()

    def forward(self, noisy: Tensor, sigma: Tensor, prompt: Tensor, past: Past) -> Tensor:
        self.passes.append(Pass(round(sigma[0, 0].item(), 4), noisy.shape[1]))
        velocity: Tensor = self.student(noisy, sigma, prompt, NotedPast(past, self.passes[-1]))
        return velocity

    @property
    def contexts(self) -> list[Pass]:
        """The passes over finished chunks."""
        return [one for one in self.passes if one.level == 0]

    @property
    def denoising(self) -> list[list[Pass]]:
        """The other passes, chunk by chunk."""
        chunks: list[list[Pass]] = []
        for one in self.passes:
            if one.level == 1:
                chunks.append([])
            if one.level:
                chunks[-1].append(one)
        return chunks


def rollout(sink: SinkStrategy, window: int | None = WINDOW, chunk: int = CHUNK) -> Rollout:
    return Rollout(levels=LEVELS, memory=MemoryPolicy(sink=sink, window_frames=window, chunk_frames=chunk))


@torch.no_grad()
def video(how: Rollout, student: nn.Module, chunks: int) -> Tensor:
    """The same noise and prompt, whatever the rollout."""
    noise = VideoNoise((("claim", 0),), (how.memory.chunk_frames, tiny.SIZES["channels"], 4, 4))
    return generate(how.stream(student, noise, always(tiny.prompts()), chunks=range(chunks)))


def watched(how: Rollout, chunks: int, monkeypatch: pytest.MonkeyPatch) -> Diary:
    """What happens while a video is streamed; the sink itself does what it always does."""
    diary, kind = Diary(tiny.network()), type(how.memory.sink)
    fold = kind.fold

    def noted(*given: Any, **named: Any) -> KV:
        folded = fold(*given, **named)
        diary.passes[-1].folds.append(folded.frames)
        return folded

    with monkeypatch.context() as patch:
        patch.setattr(kind, "fold", noted)
        video(how, diary, chunks)
    return diary
