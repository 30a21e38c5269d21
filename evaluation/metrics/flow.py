"""How much moves, and how smoothly: VBench's dynamic degree with the numbers behind it, static filter, smoothness.

Arithmetic: `evaluation.functional.flow`. RAFT and AMT-S are certified by architecture; no score was compared on the
public weights. VBench's temporal flickering is taken of static videos only: here that is `static_flickering`.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import flow, pixels
from evaluation.measure import Measure


def dynamic_degree(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 for a dynamic video, 0 for others, NaN where it cannot be told."""
    return flow.dynamic_degree(evidence.signal("flow"))


def flow_strength(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Of the longest 5 % of flow vectors, in units of the threshold of dynamic degree."""
    return evidence.signal("flow")


def flow_median(evidence: Evidence) -> Float[Tensor, " clip"]:
    """The same for the pair in the middle of all: a cut does not move it."""
    strengths = evidence.signal("flow")
    nothing = torch.full((len(strengths),), torch.nan)
    return strengths.quantile(0.5, dim=1) if strengths.shape[1] else nothing


def moving_pairs(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Share of the pairs that move."""
    return flow.moving_pairs(evidence.signal("flow"))


def is_static(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 for videos that pass VBench's static filter."""
    return flow.is_static(evidence.signal("flow_steps"), evidence.overall("flow_ends"))


def static_flickering(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Temporal flickering of static videos; NaN for others."""
    flickering = pixels.temporal_flickering(evidence.signal("change")).mean(1)
    return torch.where(is_static(evidence) == 1, flickering, torch.nan)


def motion_smoothness(evidence: Evidence) -> Float[Tensor, "clip row"]:
    """1 minus the mean difference of odd frames to those interpolated between their neighbours."""
    return pixels.temporal_flickering(evidence.signal("surprise"))


ANY = partial(Measure, kind="any")
FLOW = ("optical_flow", "raft_")
"""How the reward that pays for optical flow calls itself, alone and in a weighted sum."""
MEASURES = (
    ANY(
        name="dynamic_degree",
        title="dynamic degree",
        better="higher",
        needs=("flow",),
        min_frames=3,
        optimised_by=FLOW,
        function=dynamic_degree,
    ),
    ANY(
        name="flow_strength",
        title="flow strength",
        unit="thresholds",
        better="open",
        needs=("flow",),
        min_frames=2,
        optimised_by=FLOW,
        function=flow_strength,
    ),
    ANY(
        name="flow_median",
        title="flow strength, median",
        unit="thresholds",
        better="open",
        needs=("flow",),
        min_frames=2,
        optimised_by=FLOW,
        function=flow_median,
    ),
    ANY(
        name="moving_pairs",
        title="moving pairs",
        better="open",
        needs=("flow",),
        min_frames=2,
        optimised_by=FLOW,
        function=moving_pairs,
    ),
    ANY(
        name="static_share",
        title="static videos",
        better="open",
        needs=("stillness",),
        scope="whole",
        min_frames=5,
        optimised_by=FLOW,
        function=is_static,
    ),
    ANY(
        name="static_flickering",
        title="flickering when static",
        better="higher",
        needs=("pixels", "stillness"),
        scope="whole",
        min_frames=5,
        function=static_flickering,
    ),
    ANY(
        name="motion_smoothness",
        title="motion smoothness",
        better="higher",
        needs=("amt",),
        min_frames=3,
        function=motion_smoothness,
    ),
)
