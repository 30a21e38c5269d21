"""Does the sprite go places, and the camera? Arithmetic: `reward_forcing.toy.tracker`.

Steps between neighbouring frames are fooled by wobble and by teleporting; the distance over 12 frames is not.
"""

from typing import Final

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure
from reward_forcing.toy import tracker

SPAN: Final = 12
"""Frames over which displacement is measured."""


def net_displacement(evidence: Evidence) -> Float[Tensor, "clip window"]:
    """Distance between the sprite's places 12 frames apart; NaN where it was lost."""
    return tracker.net_displacement(evidence.toy, SPAN)


def step_motion(evidence: Evidence) -> Float[Tensor, "clip frame-1"]:
    """Distance between the sprite's places in neighbouring frames; NaN where it was lost or jumped."""
    return tracker.step_motion(evidence.toy)


def jitter(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Mean second difference of the sprite's place: it bounces a little in the truth."""
    return tracker.jitter(evidence.toy)


def jumps(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of frame pairs between which the sprite teleports."""
    return tracker.jumps(evidence.toy)


def pan_accuracy(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 where the camera pans as captioned; NaN where the caption leaves it open."""
    return tracker.pan_accuracy(evidence.toy, evidence.prompts)


def scroll_ratio(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Panned over captioned distance in 12 frames; NaN where no certain pan is captioned."""
    return tracker.scroll_ratio(evidence.toy, evidence.prompts, SPAN)


def pan_direction(evidence: Evidence) -> Float[Tensor, "clip window"]:
    """1 where the camera pans as captioned in 12 frames, -1 backwards, 0 standing still; NaN if it need not pan."""
    return tracker.pan_direction(evidence.toy, evidence.prompts, SPAN)


MEASURES = (
    Measure(
        name="net_displacement",
        title="net displacement",
        unit="px in 12 frames",
        better="higher",
        kind="toy",
        min_frames=SPAN + 1,
        optimised_by=("tracked_motion",),
        function=net_displacement,
    ),
    Measure(
        name="step_motion",
        title="step motion",
        unit="px per frame",
        better="higher",
        kind="toy",
        min_frames=2,
        optimised_by=("tracked_motion",),
        function=step_motion,
    ),
    Measure(
        name="jitter",
        title="jitter",
        unit="px",
        better="lower",
        kind="toy",
        min_frames=3,
        optimised_by=("tracked_motion",),
        function=jitter,
    ),
    Measure(name="jumps", title="jumps", better="lower", target=0, kind="toy", min_frames=2, function=jumps),
    Measure(
        name="pan_accuracy",
        title="pan word",
        better="higher",
        target=1,
        kind="toy",
        min_frames=SPAN,
        optimised_by=("tracked_motion",),
        function=pan_accuracy,
    ),
    Measure(
        name="scroll_ratio",
        title="scroll ratio",
        better="target",
        target=1,
        kind="toy",
        min_frames=SPAN + 1,
        optimised_by=("tracked_motion",),
        function=scroll_ratio,
    ),
    Measure(
        name="pan_direction",
        title="pan direction",
        better="higher",
        target=1,
        kind="toy",
        min_frames=SPAN + 1,
        optimised_by=("tracked_motion",),
        function=pan_direction,
    ),
)
