"""Metrics for videos of any world that need no network. Arithmetic: `evaluation.functional.pixels`."""

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import pixels
from evaluation.measure import Measure


def frame_difference(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Mean change between neighbouring frames, in levels."""
    return evidence.signal("change")


def temporal_flickering(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """1 minus the mean change between neighbouring frames."""
    return pixels.temporal_flickering(evidence.signal("change"))


def sink_similarity(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Correlation of every frame with the most similar one of the first chunk."""
    return evidence.signal("since_start")


MEASURES = (
    Measure(
        name="frame_difference",
        title="frame difference",
        unit="levels of 255",
        better="open",
        kind="any",
        needs=("pixels",),
        min_frames=2,
        optimised_by=("frame_difference",),
        function=frame_difference,
    ),
    Measure(
        name="temporal_flickering",
        title="temporal flickering",
        better="open",
        kind="any",
        needs=("pixels",),
        min_frames=2,
        optimised_by=("frame_difference",),
        function=temporal_flickering,
    ),
    Measure(
        name="sink_similarity",
        title="sink similarity",
        better="open",
        kind="any",
        needs=("pixels",),
        function=sink_similarity,
    ),
)
