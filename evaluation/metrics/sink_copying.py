"""Does a video of any world fall back to its beginning, or stop? Arithmetic: `evaluation.functional.sink_copying`.

A frozen video never leaves its beginning, so it cannot relapse: read with stagnation and motion.
"""

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional import sink_copying
from evaluation.functional.dynamics import stagnation as share_below
from evaluation.instruments import FIRST_CHUNK
from evaluation.measure import Measure

TOY_CHUNK: Final = 3
"""Frames of a chunk of the toy world."""

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


def chunk_seams(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Change into the first frame of a chunk over the change elsewhere; NaN in a frozen video.

    Where chunks begin is known from the manifest (`chunks`: frames of the first chunk and of each other) and in the
    toy world.
    """
    return _at_seams(evidence, sink_copying.boundary_discontinuity)


def seam_cuts(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of the chunks that begin with a sudden change."""
    return _at_seams(evidence, sink_copying.cut_boundaries)


def _at_seams(evidence: Evidence, judged: Callable[[Tensor, Tensor], Tensor]) -> Float[Tensor, " clip"]:
    """A function of changes and of where chunks begin; NaN for videos whose chunks are not known."""
    scores = []
    for video, change in enumerate(evidence.signal("change").split(1)):
        lengths = chunks_of(evidence, video)
        starts = sink_copying.starts_of_chunks(evidence.stop, lengths[1], lengths[0]) if lengths else torch.empty(0)
        inside = (starts[(starts > evidence.start)] - evidence.start).long()
        scores.append(judged(change, inside) if len(inside) else torch.full((1,), torch.nan))
    return torch.cat(scores)


def chunks_of(evidence: Evidence, video: int) -> tuple[int, int] | None:
    """Video frames of the first chunk and of each other; None where they are not known."""
    details = evidence.asked.details[video] if evidence.asked.details else {}
    match details.get("chunks"):
        case [int(first), int(following)] if min(first, following) > 0:
            return first, following
    return None if evidence.track is None else (TOY_CHUNK, TOY_CHUNK)


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
    Measure(
        name="chunk_seams",
        title="chunk seams",
        better="target",
        target=1,
        kind="any",
        needs=("pixels",),
        min_frames=2 * TOY_CHUNK,
        function=chunk_seams,
    ),
    Measure(
        name="seam_cuts",
        title="cut seams",
        better="lower",
        kind="any",
        needs=("pixels",),
        scope="whole",
        min_frames=2 * TOY_CHUNK,
        function=seam_cuts,
    ),
)
