"""Does a video fall back to its beginning? Functions of any features of frames: thumbnails, or those of a network.

A similarity of 1 is a copy. A frozen video copies its beginning, too: read all this beside motion.
"""

from typing import Final, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

Features: TypeAlias = Float[Tensor, "clip frame feature"]
Course: TypeAlias = Float[Tensor, "clip frame"]

LEFT: Final = 1e-3
"""A video whose distance stays below never left its beginning."""
DEEP: Final = 0.5
"""A relapse that undoes this share of the largest distance counts."""
CUT: Final = 6.0
"""A change so many deviations (median absolute, as of a normal distribution) above the median is a cut."""
DEVIATION: Final = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""
ROWS: Final = 256
"""Frames compared with all others at a time."""


def similarity_to_first(features: Features, first: Features) -> Course:
    """Cosine of every frame with the most similar of the first frames, -1 to 1."""
    return (normalize(features, dim=2) @ normalize(first, dim=2).transpose(1, 2)).amax(2)


def late_mean(course: Course) -> Float[Tensor, " clip"]:
    """Mean over the second half."""
    return course[:, course.shape[1] // 2 :].nanmean(1)


def relapse(distance: Course) -> Float[Tensor, " clip"]:
    """The largest return towards the beginning, as a share of the largest distance from it (LoL's sink collapse).

    0: the distance never falls; 1: from the largest distance back to a copy. 0 for a video that never left.
    """
    fallen = (distance.cummax(1).values - distance).amax(1)
    largest = distance.amax(1)
    return torch.where(largest > LEFT, fallen / largest.clamp(min=LEFT), 0.0)


def relapses(distance: Course, depth: float = DEEP) -> Int[Tensor, " clip"]:
    """How often the distance falls by more than `depth` of its largest value; in between it must rise again."""
    enough = depth * distance.amax(1)
    peak, count = distance[:, 0], torch.zeros(len(distance), dtype=torch.long)
    for now in distance.unbind(1):
        peak = torch.maximum(peak, now)
        fell = (peak - now > enough) & (enough > depth * LEFT)
        count += fell
        peak = torch.where(fell, now, peak)
    return count


def starts_of_chunks(frames: int, chunk: int, first: int | None = None) -> Int[Tensor, " boundary"]:
    """Frames with which chunks begin, but for the first chunk; its length may differ (a codec's first frame).

    Raises:
        ValueError: a chunk is shorter than 1 frame.
    """
    start = chunk if first is None else first
    if min(chunk, start) < 1:
        raise ValueError(f"sink_copying.starts_of_chunks: chunk is {chunk}, first {first}; they must be at least 1")
    return torch.arange(start, max(frames, start), chunk)


def rhythm(distance: Course, chunk: int) -> Float[Tensor, " clip"]:
    """How much more the distance's steps resemble those one chunk earlier than any nearer ones, -2 to 2.

    Autocorrelation of the steps at the length of a chunk, minus the largest at shorter lags: above 0 if every chunk
    moves like the last (resets in its rhythm), below for a distance that changes smoothly. NaN for videos of less than
    3 chunks and for a distance that changes steadily.

    Raises:
        ValueError: a chunk has less than 2 frames.
    """
    if chunk < 2:
        raise ValueError(f"sink_copying.rhythm: chunk is {chunk}; it must be at least 2 frames")
    if distance.shape[1] < 3 * chunk:
        return torch.full((len(distance),), torch.nan)
    found = torch.stack([_autocorrelation(distance.diff(dim=1), lag) for lag in range(1, chunk + 1)], -1)
    return found[:, -1] - found[:, :-1].amax(1)


def _autocorrelation(steps: Course, lag: int) -> Float[Tensor, " clip"]:
    centred = steps - steps.mean(1, keepdim=True)
    power = centred.square().sum(1)
    product: Tensor = (centred[:, lag:] * centred[:, :-lag]).sum(1) / power.clamp(min=1e-20)
    return torch.where(power > 1e-10, product, torch.nan)


def cuts(change: Float[Tensor, "clip pair"], deviations: float = CUT) -> Bool[Tensor, "clip pair"]:
    """Which changes between neighbouring frames are far above the usual ones of their video."""
    median = change.median(1, keepdim=True).values
    spread = DEVIATION * (change - median).abs().median(1, keepdim=True).values
    return change > median + deviations * spread + 1e-6 * change.abs().amax(1, keepdim=True)


def cuts_at_boundaries(
    change: Float[Tensor, "clip pair"], starts: Int[Tensor, " boundary"], deviations: float = CUT
) -> Float[Tensor, " clip"]:
    """The share of a video's cuts that fall on the beginning of a chunk; NaN without a cut.

    Chance gives one over the length of a chunk. Change i lies between frames i and i + 1.
    """
    found = cuts(change, deviations)
    inside = found[:, starts - 1].sum(1)
    total = found.sum(1)
    return torch.where(total > 0, inside / total.clamp(min=1), torch.nan)


def cut_boundaries(
    change: Float[Tensor, "clip pair"], starts: Int[Tensor, " boundary"], deviations: float = CUT
) -> Float[Tensor, " clip"]:
    """The share of chunks that begin with a cut; NaN without boundaries."""
    return cuts(change, deviations)[:, starts - 1].float().mean(1)


def boundary_discontinuity(
    change: Float[Tensor, "clip pair"], starts: Int[Tensor, " boundary"]
) -> Float[Tensor, " clip"]:
    """Mean change into the first frame of a chunk, over the mean change elsewhere; 1 where chunks cannot be seen.

    NaN where nothing changes elsewhere (a frozen video), and without boundaries or without anything else.
    """
    at = torch.zeros(change.shape[1], dtype=torch.bool)
    at[starts - 1] = True
    across, elsewhere = change[:, at].mean(1), change[:, ~at].mean(1)
    return torch.where(elsewhere > 0, across / elsewhere.clamp(min=1e-12), torch.nan)


def revisits(
    features: Features, first: int, *, apart: int | None = None, quantile: float = 0.5
) -> Float[Tensor, " clip"]:
    """Share of later frames that are as near to one of the `first` frames as neighbours are, and nearest to it.

    A frame is a revisit if, of all frames at least `apart` before it, the nearest is one of the first, and nearer than
    this quantile of the distances between neighbouring frames. Distances are Euclidean. NaN for videos in which no
    frame is late enough.

    Args:
        features: of whole videos.
        first: frames that count as the beginning.
        apart: frames nearer in time are not compared; `first` by default.
        quantile: of neighbours' distances. A frozen video has none above 0 and counts as revisiting throughout.
    """
    apart = first if apart is None else apart
    frames, begin = features.shape[1], first + apart
    if frames <= begin:
        return torch.full((len(features),), torch.nan)
    usual = (features[:, 1:] - features[:, :-1]).norm(dim=2).quantile(quantile, dim=1)
    found = []
    for start in range(begin, frames, ROWS):
        rows = torch.arange(start, min(start + ROWS, frames))
        distance = torch.cdist(features[:, rows], features, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance.masked_fill(torch.arange(frames) > rows[:, None] - apart, torch.inf)
        nearest, index = distance.min(2)
        found.append((index < first) & (nearest <= usual[:, None]))
    return torch.cat(found, 1).float().mean(1)


def no_repeat(
    features: Features, period: int, *, within: int, run: int, least: float
) -> tuple[Bool[Tensor, " clip"], Float[Tensor, " clip"]]:
    """Whether videos do not start again near a known period (RIFLEx's NoRepeat, there on pixels with `least` 100).

    Args:
        features: of whole videos.
        period: frames after which a repetition is expected: the length a model was trained on.
        within: frames around it in which the new beginning is looked for, where the first frame is nearest.
        run: frames from there on that are compared with the video's beginning.
        least: mean Euclidean distance of the runs from which on they do not repeat.

    Returns:
        Whether each video does not repeat, and the mean distance of the runs.

    Raises:
        ValueError: the video ends before the last run, or runs would overlap.
    """
    low, high = period - within, period + within
    if low < run or high + run > features.shape[1]:
        raise ValueError(
            f"sink_copying.no_repeat: period {period} +- {within} and a run of {run} need a video of "
            f"{high + run} frames or more (it has {features.shape[1]}) and a run of at most {low}"
        )
    nearest = (features[:, low : high + 1] - features[:, :1]).norm(dim=2).argmin(1) + low
    runs = features[torch.arange(len(features))[:, None], nearest[:, None] + torch.arange(run)]
    distance = (runs - features[:, :run]).norm(dim=2).mean(1)
    return distance >= least, distance
