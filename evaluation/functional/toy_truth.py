"""What the truth of the toy world scores itself, as a function of the words: what distances are divided by."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.functional import pixels
from evaluation.functional.frechet import Gaussian, gaussian
from reward_forcing.toy.captions import COLOURS, SHAPES, Caption, parse
from reward_forcing.toy.render import render
from reward_forcing.toy.tracker import Track
from reward_forcing.toy.world import Scene, sample, trace
from reward_forcing.videos import to_uint8

NET_DISPLACEMENT: Final = {"slow": 3.89, "medium": 8.18, "fast": 11.77, "any": 8.95}
"""Pixels the tracker sees the true sprite get in 12 frames: means over 200 videos, known to 1 % (`any`: 2 %)."""
JITTER: Final = {"slow": 0.062, "medium": 0.124, "fast": 0.312, "any": 0.175}
"""Pixels, likewise, 3 % (5 % for `any`): 0.05 of it is the tracker's own, the rest are bounces."""

WORLD: Final = 2_000_029
"""Seed of the scenes below; no training set and no baseline uses it."""
SCENES: Final = 8
STATE_SCENES: Final = 128
FRAMES: Final = 128
"""Courses are made for multiples of so many frames."""
STATE_FRAMES: Final = 61
TOLERANCE: Final = 0.25
"""Pixels: states that differ by less are the same."""


def of_words(table: dict[str, float], prompts: Sequence[str]) -> Float[Tensor, " clip"]:
    """A truth's value by the word for the sprite's speed."""
    return torch.tensor([table[parse(prompt).speed] for prompt in prompts])


def scenes_under(speed: str, pan: str, count: int) -> list[Scene]:
    """Some scenes under these two words, colours and shapes in turn."""
    words = [Caption(COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)], speed, pan) for i in range(count)]
    return [sample(WORLD, i, caption=str(caption)) for i, caption in enumerate(words)]


def distances(prompt: str, start: int, stop: int, first: int) -> Float[Tensor, "scene frame"]:
    """The true distance (1 - similarity) to the first frames in frames start..stop-1, of scenes under these words."""
    caption = parse(prompt)
    length = -(-stop // FRAMES) * FRAMES
    return _distances(caption.speed, caption.pan, length, first)[:, start:stop]


@lru_cache(maxsize=40)
def _distances(speed: str, pan: str, frames: int, first: int) -> Float[Tensor, "scene frame"]:
    video = to_uint8(render(trace(scenes_under(speed, pan, SCENES), 0, frames)))
    return 1 - pixels.sink_similarity(video, video[:, :first])


def states(seen: Track) -> Float[Tensor, "clip pair 5"]:
    """Place and step of the sprite and the camera's pan, in pixels; NaN where it was lost."""
    both = seen.one[:, 1:] & seen.one[:, :-1]
    found = torch.cat([seen.centre[:, 1:], seen.centre.diff(dim=1), seen.shift[..., None]], -1)
    return torch.where(both[..., None], found, torch.nan)


@lru_cache(maxsize=40)
def true_states(speed: str, pan: str) -> Gaussian:
    """How states are distributed in the truth under these words, over scenes and frames."""
    known = trace(scenes_under(speed, pan, STATE_SCENES), 0, STATE_FRAMES)
    shift = torch.where(known.plain[:, None] > 0, 0.0, known.scroll.diff(dim=1))
    found = torch.cat([known.centre[:, 1:], known.centre.diff(dim=1), shift[..., None]], -1)
    return gaussian(found.flatten(0, 1), least=TOLERANCE)
