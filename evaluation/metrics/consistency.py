"""VBench's consistency of subject and background, and of the beginnings of clips. `evaluation.functional.consistency`.

The networks are certified by architecture: on random weights their features agree with the official ones. No score was
compared on the public weights.
"""

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional.consistency import consistency
from evaluation.measure import Measure


def subject_consistency(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Of DINO's features; the reference frame is the window's first."""
    return consistency(evidence.signal("dino"))


def background_consistency(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Of CLIP's features; the reference frame is the window's first."""
    return consistency(evidence.signal("clip_tensors"))


def clip_consistency(evidence: Evidence) -> Float[Tensor, "clip pair"]:
    """Of DINOv2's features of the first frames of clips of two seconds: VBench-Long's subject score between clips."""
    return consistency(evidence.signal("dinov2"))


MEASURES = (
    Measure(
        name="subject_consistency",
        title="subject consistency",
        better="higher",
        kind="any",
        needs=("dino",),
        min_frames=2,
        function=subject_consistency,
    ),
    Measure(
        name="background_consistency",
        title="background consistency",
        better="higher",
        kind="any",
        needs=("clip_tensors",),
        min_frames=2,
        function=background_consistency,
    ),
    Measure(
        name="clip_consistency",
        title="subject, clip to clip",
        better="higher",
        kind="any",
        needs=("dinov2",),
        scope="whole",
        min_frames=2,
        function=clip_consistency,
    ),
)
