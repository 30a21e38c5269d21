"""Videos that every report needs beside the models': the truth, and a trivial one that good scores must not reward."""

from dataclasses import dataclass
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
TRUTH_WORLD: Final = 2_000_003
"""Seed of the world the truth is taken from; no training set uses it."""


@dataclass(frozen=True)
class Baseline:
    """A video made from a model's entry and clip instead of read from disk."""

    name: str
    entry: Entry


def truth(prompt: str, seed: int, frames: int) -> Frames:
    """What the toy world shows under this caption, a scene of its own for each caption and seed."""
    scene = sample(TRUTH_WORLD, crc32(f"{seed} {prompt}".encode()), caption=prompt)
    return to_uint8(render(trace([scene], 0, frames)))[0]


def frozen(clip: Clip) -> Frames:
    """The first frame for as long as the clip lasts."""
    return clip.frames[:1].expand_as(clip.frames).contiguous()


def baselines_for(prompt: str) -> tuple[str, ...]:
    """Names of the baselines that stand beside a video of this prompt."""
    return (TRUTH, FROZEN) if is_toy(prompt) else (FROZEN,)


def baseline_clip(name: str, entry: Entry, clip: Clip) -> Clip:
    """The baseline beside a model's clip."""
    frames = truth(entry.prompt, entry.seed, len(clip.frames)) if name == TRUTH else frozen(clip)
    assert frames.dtype == torch.uint8
    return Clip(frames, clip.fps)
