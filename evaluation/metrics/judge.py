"""What a judge says of a part of every video, by default its last five seconds: marks from 1 to 5.

Which judge, under which words, on which seconds: the protocol says it, and numbers compare only where all agree. Nobody
has compared a judge's marks with people's here.
"""

from functools import partial

from jaxtyping import Float
from torch import Tensor

from evaluation.backends.rubric import ASPECTS
from evaluation.evidence import Evidence
from evaluation.measure import Measure


def mark(evidence: Evidence, aspect: str) -> Float[Tensor, " clip"]:
    """One of the judge's marks; NaN where it gave none."""
    return evidence.overall("judge")[:, ASPECTS.index(aspect)]


JUDGE = partial(Measure, unit="of 5", better="higher", kind="any", needs=("judge",), scope="whole")
MEASURES = tuple(
    JUDGE(name=f"judge_{aspect}", title=f"judge: {title}", function=partial(mark, aspect=aspect))
    for aspect, title in zip(ASPECTS, ("text", "dynamics", "visual quality"), strict=True)
)
