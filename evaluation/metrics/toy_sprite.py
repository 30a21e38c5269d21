"""Is the sprite what the caption asks for? Arithmetic: `reward_forcing.toy.tracker`."""

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure
from reward_forcing.toy import tracker


def one_sprite(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where exactly one sprite of one colour is seen."""
    return evidence.toy.one.float()


def colour_accuracy(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where one sprite of the captioned colour is seen."""
    return tracker.colour_accuracy(evidence.toy, evidence.prompts)


def shape_accuracy(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where one sprite of the captioned shape is seen."""
    return tracker.shape_accuracy(evidence.toy, evidence.prompts)


def shape_overlap(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Overlap (intersection over union) with the best fitting shape; NaN where there is not one sprite."""
    return torch.where(evidence.toy.one, evidence.toy.iou, torch.nan)


def speed_accuracy(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 where the sprite is as fast as captioned; NaN for `any`."""
    return tracker.speed_accuracy(evidence.toy, evidence.prompts)


MEASURES = (
    Measure(
        name="one_sprite",
        title="one sprite",
        better="higher",
        target=1,
        kind="toy",
        optimised_by=("tracked_motion",),
        function=one_sprite,
    ),
    Measure(name="colour_accuracy", title="colour", better="higher", target=1, kind="toy", function=colour_accuracy),
    Measure(name="shape_accuracy", title="shape", better="higher", target=1, kind="toy", function=shape_accuracy),
    Measure(name="shape_overlap", title="shape overlap", better="higher", kind="toy", function=shape_overlap),
    Measure(
        name="speed_accuracy",
        title="sprite speed word",
        better="higher",
        target=1,
        kind="toy",
        min_frames=12,
        optimised_by=("tracked_motion",),
        function=speed_accuracy,
    ),
)
