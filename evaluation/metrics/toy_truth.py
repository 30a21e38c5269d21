"""Scores divided by, or in excess of, what the truth scores itself. Arithmetic: `evaluation.functional.toy_truth`.

Only these can be read as numbers on their own: the truth has 1, or 0, on average over captions.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import sink_copying, toy_truth
from evaluation.functional.frechet import frechet, gaussian
from evaluation.instruments import FIRST_CHUNK
from evaluation.measure import Measure
from reward_forcing.toy import tracker
from reward_forcing.toy.captions import parse

SPAN: Final = 12
"""Frames over which displacement is measured."""
FEWEST: Final = 8
"""Pairs of frames with a sprite that a distribution of states needs."""


def motion_ratio(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Displacement of the sprite in 12 frames, over the truth's under the same word; NaN where it was lost."""
    moved = tracker.net_displacement(evidence.toy, SPAN).nanmean(1)
    return moved / toy_truth.of_words(toy_truth.NET_DISPLACEMENT, evidence.prompts)


def jitter_ratio(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Second difference of the sprite's path, over the truth's under the same word; NaN where it was lost."""
    return tracker.jitter(evidence.toy) / toy_truth.of_words(toy_truth.JITTER, evidence.prompts)


def relapse_excess(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Sink relapse minus the truth's own under the same words: waves come round, and sprites turn back."""
    own = sink_copying.relapse(1 - evidence.signal("since_start"))
    true = [toy_truth.distances(p, evidence.start, evidence.stop, FIRST_CHUNK) for p in evidence.prompts]
    return own - torch.stack([sink_copying.relapse(course).mean() for course in true])


def state_frechet(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Fréchet distance of a video's states to those of the truth under its words, in standard deviations squared.

    States are place and step of the sprite and the pan. This is not FVD: no network, and one video against many, so
    that the truth itself has about 2. NaN unless the sprite is seen in FEWEST pairs of frames.
    """
    return torch.tensor(
        [_distance(*pair) for pair in zip(toy_truth.states(evidence.toy), evidence.prompts, strict=True)]
    )


def _distance(states: Float[Tensor, "pair 5"], prompt: str) -> float:
    known = states[~states.isnan().any(1)]
    if len(known) < FEWEST:
        return float("nan")
    caption = parse(prompt)
    true = toy_truth.true_states(caption.speed, caption.pan)
    found = gaussian(known, least=toy_truth.TOLERANCE).in_units_of(true)
    return frechet(found, true.in_units_of(true))


MEASURES = (
    Measure(
        name="motion_ratio",
        title="motion ratio",
        better="target",
        target=1,
        kind="toy",
        min_frames=SPAN + 1,
        optimised_by=("tracked_motion",),
        function=motion_ratio,
    ),
    Measure(
        name="jitter_ratio",
        title="jitter ratio",
        better="target",
        target=1,
        kind="toy",
        min_frames=3,
        optimised_by=("tracked_motion",),
        function=jitter_ratio,
    ),
    Measure(
        name="relapse_excess",
        title="sink relapse, excess",
        better="target",
        target=0,
        kind="toy",
        needs=("pixels",),
        scope="whole",
        min_frames=2,
        function=relapse_excess,
    ),
    Measure(
        name="state_frechet",
        title="state Fréchet",
        better="lower",
        kind="toy",
        scope="whole",
        min_frames=FEWEST + 1,
        function=state_frechet,
    ),
)
