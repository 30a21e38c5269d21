"""Are the objects there, of the right colour, in the right place? Proxies: VBench asks another detector by other rules.

They enter no total. Arithmetic: `evaluation.functional.detections`. NaN for videos that ask for no objects.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.backends.wishes import Wish, queries, wishes
from evaluation.evidence import Evidence
from evaluation.functional import detections
from evaluation.functional.colours import colour_named
from evaluation.measure import Measure

NOTHING = float("nan")


def of_objects(
    evidence: Evidence, dimension: str, score: Callable[[Wish, list[Tensor]], float]
) -> Float[Tensor, " clip"]:
    """One score a clip, by what is asked of it and, of every object asked for, what was found: [frame, box, field]."""
    found = evidence.overall("objects")
    rows = []
    for clip, pair in enumerate(zip(evidence.prompts, evidence.asked.known(), strict=True)):
        try:
            asked = wishes(*pair)
        except ValueError:  # the instrument has told it
            asked = {}
        wish, names = asked.get(dimension), queries(asked)
        looked = found[clip, :, : len(names)]
        seen = wish is not None and not looked[..., 0].isnan().any()
        rows.append(score(wish, [looked[:, names.index(name)] for name in wish.objects]) if seen and wish else NOTHING)
    return torch.tensor(rows)


def object_class(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of 16 frames in which the object is found."""
    return of_objects(evidence, "object_class", lambda _, found: detections.object_share(found[0][..., 1:5]))


def multiple_objects(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of 16 frames in which both objects are found."""
    return of_objects(
        evidence, "multiple_objects", lambda _, found: detections.both_share(*(one[..., 1:5] for one in found))
    )


def color(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of 16 frames in which the object is found and most of its middle has the colour, by the hue of pixels."""
    return of_objects(evidence, "color", _colour)


def _colour(wish: Wish, found: list[Tensor]) -> float:
    wanted = colour_named(wish.colour)
    return NOTHING if wanted is None else detections.colour_share(found[0][:, 0, 5:], wanted)


def spatial_relationship(evidence: Evidence) -> Float[Tensor, " clip"]:
    """How well the first object lies beside the second, in the direction that is asked for; mean over 16 frames."""
    return of_objects(evidence, "spatial_relationship", _place)


def _place(wish: Wish, found: list[Tensor]) -> float:
    direction = detections.direction_of(wish.relationship)
    one, other = (boxes[..., 1:5] for boxes in found)
    return NOTHING if direction is None else detections.place_share(one, other, direction)


PROXY = partial(Measure, better="higher", kind="any", needs=("detector",), scope="whole")
MEASURES = (
    PROXY(name="proxy/object_class", title="proxy: object", function=object_class),
    PROXY(name="proxy/multiple_objects", title="proxy: both objects", function=multiple_objects),
    PROXY(name="proxy/color", title="proxy: colour", function=color),
    PROXY(name="proxy/spatial_relationship", title="proxy: place", function=spatial_relationship),
)
