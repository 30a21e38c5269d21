"""Videos with a known truth, and damage done to them on purpose."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import UInt8
from torch import Tensor

from evaluation.table import Record
from evaluation.windows import Cut, cut
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace
from reward_forcing.videos import Clip, to_uint8, write_clip

Damage: TypeAlias = Callable[[Tensor], Tensor]
"""From true frames [frame, 3, height, width] in [-1, 1] to worse ones."""

MOVING = ("red circle fast pan-fast", "blue cross medium pan-slow", "green triangle slow pan-fast")
SIX = (*MOVING, "yellow cross fast pan-slow", "red triangle medium pan-fast", "green circle fast pan-fast")
"""Enough for an interval to exclude 0."""
FPS = 8.0


def truth(frames: int, prompts: Sequence[str] = MOVING) -> UInt8[Tensor, "clip frame 3 32 32"]:
    """Ground truth of the toy world, one video a prompt."""
    scenes = [sample(77, index, caption=prompt) for index, prompt in enumerate(prompts)]
    return to_uint8(render(trace(scenes, 0, frames)))


def intact(frames: Tensor) -> Tensor:
    return frames


def frozen(frames: Tensor) -> Tensor:
    return frames[:1].expand_as(frames)


def tinted(frames: Tensor, strength: float = 0.3) -> Tensor:
    """Drifting towards violet."""
    time = torch.linspace(0, 1, len(frames))[:, None, None, None]
    return frames + strength * time * torch.tensor([1.0, -1.0, 1.0])[:, None, None]


def greyed(frames: Tensor, strength: float = 0.8) -> Tensor:
    """Losing all contrast in the end."""
    time = torch.linspace(0, 1, len(frames))[:, None, None, None]
    return torch.lerp(frames, frames.mean((2, 3), keepdim=True), strength * time)


def copying(frames: Tensor, strength: float = 0.8) -> Tensor:
    """Fading back to the first frame."""
    time = torch.linspace(0, 1, len(frames))[:, None, None, None]
    return torch.lerp(frames, frames[:1], strength * time)


def erased(frames: Tensor) -> Tensor:
    """Nothing but grey from the middle on."""
    half = len(frames) // 2
    return torch.cat([frames[:half], torch.zeros_like(frames[half:])])


def write_study(
    folder: Path,
    cells: Mapping[str, Damage],
    *,
    frames: int = 30,
    prompts: Sequence[str] = MOVING,
) -> Path:
    """Videos of every cell, all damaged versions of the same truth, and their manifest."""
    lines = []
    for cell, damage in cells.items():
        for seed, prompt in enumerate(prompts):
            video = damage(render(trace([sample(77, seed, caption=prompt)], 0, frames))[0])
            path = Path("videos") / f"{cell}-{seed}.mkv"
            write_clip(folder / path, Clip(to_uint8(video), FPS))
            metadata = {"sink": cell, "checkpoint": "abc"}
            lines.append(
                {"video": str(path), "prompt": prompt, "seed": seed, "cell": cell, "fps": FPS, "metadata": metadata}
            )
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return folder / "manifest.jsonl"


def record(cell: str, seed: int, scores: Mapping[str, float], **more: Any) -> Record:
    """A record whose every window has the same score; fields in `more` replace the usual ones."""
    frames = int(more.get("frames", 48))
    windows = cut(frames, Cut())
    usual = Record(
        cell=cell,
        prompt=f"prompt {seed}",
        seed=seed,
        video=f"{cell}-{seed}.mkv",
        fps=FPS,
        frames=frames,
        baseline=False,
        windows=windows,
        scores={name: (score,) * len(windows) for name, score in scores.items()},
    )
    return replace(usual, **more)


def slowed(frames: Tensor) -> Tensor:
    """Half the speed: every frame twice."""
    return frames[: len(frames) // 2].repeat_interleave(2, 0)


def shuffled(frames: Tensor) -> Tensor:
    """The right frames in no order."""
    return frames[torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))]


def noisy(frames: Tensor, strength: float = 0.05) -> Tensor:
    """The same amount of noise all along."""
    return frames + strength * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))


def brightened(frames: Tensor, strength: float = 0.4) -> Tensor:
    """Over-exposed in the end."""
    return frames + strength * torch.linspace(0, 1, len(frames))[:, None, None, None]
