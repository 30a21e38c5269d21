"""What is faster and not the same: each with its speed and what became of the pictures, on the shipped toy student."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch

from benchmarks.common import clock
from benchmarks.engines import MINI, Contestant, contest
from benchmarks.streaming import Scene
from benchmarks.teachers import mini_teachers, toy_teachers
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
        engine: that runs the passes.
        levels: of noise; None: as they are.
        window: frames attended at once; None: as it is.
    """

    engine: Fast = field(default_factory=Fast)
    levels: tuple[float, ...] | None = None
    window: int | None = None

    def of(self, streamer: Streamer) -> Streamer:
        """The streamer, changed."""
        rollout: Rollout = streamer.rollout
        memory = replace(rollout.memory, window_frames=self.window or rollout.memory.window_frames)
        levels = self.levels or rollout.levels
        return replace(streamer, rollout=replace(rollout, levels=levels, memory=memory, engine=self.engine))

    @property
    def exact(self) -> bool:
        """Whether nothing is changed that tells."""
        return self == Approximation()

    @property
    def of_engine(self) -> bool:
        """Whether it is the engine alone that differs."""
        return self.levels is None and self.window is None


def choices(levels: tuple[float, ...]) -> dict[str, Approximation]:
    """The exact stream first, then one change each."""
    *_, before, last = levels
    between = (before + last) / 2
    return {
        "exact": Approximation(),
        "two steps": Approximation(levels=levels[::2]),
        "no last step": Approximation(levels=levels[:-1]),
        "last step without blocks": Approximation(Fast(reuse=between)),
        "window of two chunks": Approximation(window=6),
        "no context pass": Approximation(Fast(context_pass=False)),
        "int8 layers": Approximation(Fast(linears="int8")),
        "float8 layers": Approximation(Fast(linears="float8")),
    }


def approximations(chunks: int = 21, mini_chunks: int = 2, draws: int = 8, mini: Scene = MINI) -> dict[str, Any]:
    """What each takes of the pictures of the toy student, and what it gives where arithmetic takes the time.

    The same of a teacher in eight bits: of the direction it gives.
    """
    engines = {name: Contestant(choice.engine) for name, choice in choices(mini.levels).items() if choice.of_engine}
    told = ("exact", "chunk_seconds", "times_as_fast")
    rows = contest(mini, engines, chunks=mini_chunks)
    return {
        "toy": pictures(chunks),
        "wan_mini": {name: {key: row[key] for key in told} for name, row in rows.items()},
        "toy_teacher": toy_teachers(load_streamer(shipped(STUDENT)), PROMPTS, draws=draws),
        "wan_mini_teacher": mini_teachers(mini, rounds=mini_chunks),
    }


def pictures(chunks: int) -> dict[str, dict[str, Any]]:
    """Each approximation against the exact stream: the same prompts, seeds and noise, chunk by chunk in turns."""
    streamer = load_streamer(shipped(STUDENT))
    wanted = choices(tuple(streamer.rollout.levels))
    running = {
        name: choice.of(streamer).stream(PROMPTS, range(len(PROMPTS)), chunks=chunks) for name, choice in wanted.items()
    }
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
            "exact": wanted[name].exact,
            "times_as_fast": seconds["exact"] / seconds[name],
            "first_clip_psnr_db": None if wanted[name].exact else psnr(video[:, :first], whole["exact"][:, :first]),
            **looks(video, first),
        }
        for name, video in whole.items()
    }


def psnr(one: Video, other: Video) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for the same pictures."""
    error = (one - other).square().mean()
    return float(10 * torch.log10(RANGE**2 / error))


def looks(video: Video, late: int) -> dict[str, float]:
    """Of so many late frames: the share that shows one sprite, contrast and palette against the first chunk's."""
    seen = track(video, list(PROMPTS), redraw=False)
    parts = {"one_sprite": seen.one.float(), "contrast": seen.contrast, "palette_drift": seen.palette_distance}
    return {f"late_{name}": float(part[:, -late:].nanmean()) for name, part in parts.items()}
