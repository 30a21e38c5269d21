"""Videos that every report needs beside the models': the truth, and trivial ones that good scores must not reward.

All depend on nothing but the prompt, the seed and the video they stand beside.
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

import torch

from evaluation.evidence import is_toy
from evaluation.manifest import Entry
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace
from reward_forcing.videos import Clip, Frames, to_uint8

TRUTH: Final = "truth"
FROZEN: Final = "frozen first frame"
NOISE: Final = "noise"
SHUFFLED: Final = "shuffled frames"
LOOPED: Final = "first half twice"
GREY: Final = 128.0
"""Mean level of noise."""
GRAIN: Final = 50.0
"""Its standard deviation, in levels: 1 % of the values are clipped."""
TRUTH_WORLD: Final = 2_000_003
"""Seed of the world the truth is taken from; no training set uses it."""


def truth(prompt: str, seed: int, frames: int) -> Frames:
    """What the toy world shows under this caption, a scene of its own for each caption and seed."""
    scene = sample(TRUTH_WORLD, crc32(f"{seed} {prompt}".encode()), caption=prompt)
    return to_uint8(render(trace([scene], 0, frames)))[0]


def frozen(clip: Clip) -> Frames:
    """The first frame for as long as the clip lasts."""
    return clip.frames[:1].expand_as(clip.frames).contiguous()


def noise(prompt: str, seed: int, clip: Clip) -> Frames:
    """Nothing but grey grain: no frame knows of another."""
    drawn, frames = _generator(prompt, seed), torch.empty_like(clip.frames)
    for frame in frames:  # one at a time: levels need a quarter of the memory of numbers
        grain = torch.randn(frame.shape, generator=drawn)
        frame.copy_((GREY + GRAIN * grain).round().clamp(0, 255))
    return frames


def shuffled(prompt: str, seed: int, clip: Clip) -> Frames:
    """The right frames in no order: as good as the video one by one."""
    return clip.frames[torch.randperm(len(clip.frames), generator=_generator(prompt, seed))]


def looped(clip: Clip) -> Frames:
    """The first half twice: as good as the video nearly everywhere, and nothing new."""
    return clip.frames[torch.arange(len(clip.frames)) % max(1, -(-len(clip.frames) // 2))]


def baselines_for(prompt: str) -> tuple[str, ...]:
    """Names of the baselines that stand beside a video of this prompt."""
    trivial = (FROZEN, NOISE, SHUFFLED, LOOPED)
    return (TRUTH, *trivial) if is_toy(prompt) else trivial


def baseline_clip(name: str, entry: Entry, clip: Clip) -> Clip:
    """The baseline beside a model's clip."""
    prompt, seed = entry.prompt, entry.seed
    made: dict[str, Callable[[], Frames]] = {
        TRUTH: lambda: truth(prompt, seed, len(clip.frames)),
        FROZEN: lambda: frozen(clip),
        NOISE: lambda: noise(prompt, seed, clip),
        SHUFFLED: lambda: shuffled(prompt, seed, clip),
        LOOPED: lambda: looped(clip),
    }
    frames = made[name]()
    assert frames.dtype == torch.uint8
    return Clip(frames, clip.fps)


def _generator(prompt: str, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(crc32(f"{seed} {prompt}".encode()))
