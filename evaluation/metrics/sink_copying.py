"""Does a video of any world fall back to its beginning, or stop? Arithmetic: `evaluation.functional.sink_copying`.

A frozen video never leaves its beginning, so it cannot relapse: read with stagnation and motion.
"""

from typing import Final

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import sink_copying
from evaluation.functional.dynamics import stagnation as share_below
from evaluation.instruments import FIRST_CHUNK
from evaluation.measure import Measure

STILL: Final = 0.5
"""Levels: frames that differ by less are the same but for rounding."""


def distance(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 - similarity of every frame to the most similar of the first chunk."""
    return 1 - evidence.signal("since_start")


def sink_relapse(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Largest return towards the beginning, as a share of the largest distance from it."""
    return sink_copying.relapse(distance(evidence))


def sink_relapses(evidence: Evidence) -> Float[Tensor, " clip"]:
    """How often more than half of the largest distance is undone."""
    return sink_copying.relapses(distance(evidence)).float()


def revisits(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of later frames that are nearest to the first chunk, and as near as neighbours are."""
    return sink_copying.revisits(evidence.signal("thumbnail"), FIRST_CHUNK)


def stagnation(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of neighbouring frames that are the same."""
    return share_below(evidence.signal("change"), STILL)


MEASURES = (
    Measure(
        name="sink_relapse",
        title="sink relapse",
        better="lower",
        kind="any",
        needs=("pixels",),
        scope="whole",
        min_frames=2,
        function=sink_relapse,
    ),
    Measure(
        name="sink_relapses",
        title="deep relapses",
        unit="a video",
        better="lower",
        kind="any",
        needs=("pixels",),
        scope="whole",
        min_frames=2,
        function=sink_relapses,
    ),
    Measure(
        name="revisits",
        title="revisits of the start",
        better="lower",
        kind="any",
        needs=("pixels",),
        scope="whole",
        min_frames=2 * FIRST_CHUNK + 1,
        function=revisits,
    ),
    Measure(
        name="stagnation",
        title="stagnation",
        better="lower",
        kind="any",
        needs=("pixels",),
        min_frames=2,
        optimised_by=("frame_difference",),
        function=stagnation,
    ),
)
