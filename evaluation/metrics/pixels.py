"""Metrics for videos of any world that need no network. Arithmetic: `evaluation.functional.pixels`."""

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import pixels
from evaluation.measure import Measure


def frame_difference(evidence: Evidence) -> Float[Tensor, "clip frame-1"]:
    """Mean change between neighbouring frames, in levels."""
    return pixels.frame_difference(evidence.frames)


def temporal_flickering(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 minus the mean change between neighbouring frames."""
    return pixels.temporal_flickering(evidence.frames)


def sink_similarity(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Correlation of every frame with the most similar one of the first chunk."""
    return pixels.sink_similarity(evidence.frames, evidence.first)


MEASURES = (
    Measure(
        name="frame_difference",
        title="frame difference",
        unit="levels of 255",
        better="open",
        kind="any",
        min_frames=2,
        function=frame_difference,
    ),
    Measure(
        name="temporal_flickering",
        title="temporal flickering",
        better="open",
        kind="any",
        min_frames=2,
        function=temporal_flickering,
    ),
    Measure(name="sink_similarity", title="sink similarity", better="open", kind="any", function=sink_similarity),
)
