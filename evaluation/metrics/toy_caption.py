"""How much of the caption holds, all words together. Arithmetic: `reward_forcing.toy.tracker`."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure
from reward_forcing.toy import tracker

SHORTEST: Final = 12
"""Frames within which speeds can be told apart."""


def caption_accuracy(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of the words that hold: colour, shape and the two speeds, those left open not counted.

    Colour and shape hold in a share of the frames, none in those without one sprite.
    """
    seen, prompts = evidence.toy, evidence.prompts
    words = (
        tracker.colour_accuracy(seen, prompts).mean(1),
        tracker.shape_accuracy(seen, prompts).mean(1),
        tracker.speed_accuracy(seen, prompts),
        tracker.pan_accuracy(seen, prompts),
    )
    return torch.stack(words).nanmean(0)


MEASURES = (
    Measure(
        name="caption_accuracy",
        title="caption",
        better="higher",
        target=1,
        kind="toy",
        min_frames=SHORTEST,
        optimised_by=("tracked_motion",),
        function=caption_accuracy,
    ),
)
