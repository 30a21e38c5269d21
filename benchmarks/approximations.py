"""What is faster and not the same: each with its speed and what became of the pictures, on the shipped toy student."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from benchmarks.common import clock
from reward_forcing.composition.places import shipped
from reward_forcing.engine.fast import Fast
from reward_forcing.rollout import Rollout
from reward_forcing.shapes import Video
from reward_forcing.streaming import Streamer, load_streamer
from reward_forcing.toy.tracker import track

STUDENT: Final = "checkpoints/toy/initial_student.safetensors"
PROMPTS: Final = (
    "red circle fast pan-slow",
    "blue cross slow plain",
    "green triangle any pan-fast",
    "red cross any pan-any",
)
RANGE: Final = 2.0
"""Of pixels, from -1 to 1."""


@dataclass(frozen=True)
class Approximation:
    """A change of how the student streams.

    Args:
        rollout: what of the rollout is another value.
        window: frames attended at once; None: as it is.
    """

    rollout: Mapping[str, Any]
    window: int | None = None

    def of(self, streamer: Streamer) -> Streamer:
        """The streamer, changed."""
        memory = streamer.rollout.memory
        memory = replace(memory, window_frames=self.window) if self.window else memory
        changed: Rollout = replace(streamer.rollout, **{"memory": memory, "engine": Fast(), **self.rollout})
        return replace(streamer, rollout=changed)


def choices(levels: tuple[float, ...]) -> dict[str, Approximation]:
    """The exact stream first, then one change each."""
    return {
        "exact": Approximation({}),
        "two steps": Approximation({"levels": levels[::2]}),
        "window of two chunks": Approximation({}, window=6),
        "no context pass": Approximation({"engine": Fast(context_pass=False)}),
    }


def approximations(chunks: int = 21) -> dict[str, dict[str, float]]:
    """Each approximation against the exact stream: the same prompts, seeds and noise, chunk by chunk in turns."""
    streamer = load_streamer(shipped(STUDENT))
    wanted = {name: choice.of(streamer) for name, choice in choices(tuple(streamer.rollout.levels)).items()}
    running = {name: one.stream(PROMPTS, range(len(PROMPTS)), chunks=chunks) for name, one in wanted.items()}
    seconds: dict[str, float] = dict.fromkeys(running, 0.0)
    videos: dict[str, list[Video]] = {name: [] for name in running}
    for _ in range(chunks):
        for name, stream in running.items():
            started = clock(streamer.device)
            videos[name].append(next(stream))
            seconds[name] += clock(streamer.device) - started
    whole = {name: torch.cat(parts, 1) for name, parts in videos.items()}
    first = streamer.codec.video_frames(streamer.geometry.frames)
    return {
        name: {
            "times_as_fast": seconds["exact"] / seconds[name],
            "psnr_of_first_clip_db": psnr(video[:, :first], whole["exact"][:, :first]),
            **looks(video[:, -first:]),
        }
        for name, video in whole.items()
    }


def psnr(one: Video, other: Video) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for the same pictures."""
    error = (one - other).square().mean()
    return float(10 * torch.log10(RANGE**2 / error))


def looks(video: Video) -> dict[str, float]:
    """Of late frames: the share that shows one sprite, and the contrast."""
    return {
        "late_one_sprite": float(track(video, list(PROMPTS)).one.float().mean()),
        "late_contrast": float(video.std((-3, -2, -1)).mean()),
    }
