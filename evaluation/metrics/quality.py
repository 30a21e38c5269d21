"""How single frames look: VBench's aesthetic and imaging quality.

The networks are certified by architecture: on random weights they agree with the official ones. No score was compared
on the public weights.
"""

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure


def aesthetic_quality(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """LAION's score of every frame, a share of the full mark."""
    return evidence.signal("aesthetic")


def imaging_quality(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """MUSIQ's score of every frame over 100."""
    return evidence.signal("imaging") / 100


MEASURES = (
    Measure(
        name="aesthetic_quality",
        title="aesthetic quality",
        better="higher",
        kind="any",
        needs=("aesthetic",),
        function=aesthetic_quality,
    ),
    Measure(
        name="imaging_quality",
        title="imaging quality",
        better="higher",
        kind="any",
        needs=("musiq",),
        function=imaging_quality,
    ),
)
