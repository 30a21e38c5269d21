"""How much moves, by optical flow: VBench's dynamic degree and static filter, and the numbers behind them.

A flow's strength is the mean length of its longest vectors, in units of a threshold that grows with the picture: 1
divides moving from still at any size.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

MOVING: Final = (0.05, 6.0)
"""Dynamic degree: the share of the vectors that count, and the threshold in pixels where the shorter side has 256."""

STILL: Final = (0.02, 3.0)
"""The same for the static filter."""

RATE: Final = 8
"""Frames a second that dynamic degree looks at."""


def strength(
    flow: Float[Tensor, "pair 2 rows columns"], shorter: int, rule: tuple[float, float]
) -> Float[Tensor, " pair"]:
    """How strong flows are, in units of the threshold.

    Args:
        flow: in pixels, of the padded frames.
        shorter: side of the frames before they were padded.
        rule: MOVING or STILL.

    >>> strength(torch.tensor([3.0, 4.0])[None, :, None, None].expand(1, 2, 16, 16), 256, (0.05, 5.0))
    tensor([1.])
    """
    share, threshold = rule
    lengths = flow.norm(dim=1).flatten(1)
    longest: Tensor = lengths.topk(int(share * lengths.shape[1]), sorted=False).values
    return longest.mean(1) * 256 / (threshold * shorter)


def step(fps: float) -> int:
    """Frames from one to the next that dynamic degree looks at: about 8 a second.

    >>> step(16), step(24), step(6)
    (2, 3, 1)
    """
    return max(1, round(fps / RATE))


def needed(samples: int, of_16: int) -> int:
    """Pairs that must move among so many frames, if it were `of_16` among 16; halves go to the even number."""
    return round(of_16 * samples / 16)


def dynamic_degree(strengths: Float[Tensor, "clip pair"]) -> Float[Tensor, " clip"]:
    """1 where at least a quarter as many pairs move as there are frames, 0 elsewhere (strengths by MOVING).

    NaN for fewer than 3 frames: VBench calls 2 frames dynamic whatever they show, and 1 frame never. Camera motion,
    flicker and cuts count as motion.
    """
    samples = strengths.shape[1] + 1
    enough = ((strengths > 1).sum(1) >= needed(samples, 4)).float()
    known = strengths.isfinite().all(1) & torch.tensor(samples >= 3)
    return torch.where(known, enough, torch.nan)


def moving_pairs(strengths: Float[Tensor, "clip pair"]) -> Float[Tensor, "clip pair"]:
    """1 for every pair that moves, 0 for others; NaN where no flow is known."""
    return torch.where(strengths.isnan(), torch.nan, (strengths > 1).float())


def is_static(steps: Float[Tensor, "clip pair"], ends: Float[Tensor, "clip 2"]) -> Float[Tensor, " clip"]:
    """1 for videos that pass VBench's static filter, 0 for others; NaN for fewer than 5 frames: none would pass.

    Args:
        steps: strengths by STILL between neighbouring frames.
        ends: from the first frame to the last, and back.
    """
    allowed = needed(steps.shape[1] + 1, 2)
    still = ((steps > 1).sum(1) <= allowed) & (ends <= 2 * allowed).all(1)
    known = ends.isfinite().all(1) & torch.tensor(allowed > 0)
    return torch.where(known, still.float(), torch.nan)
