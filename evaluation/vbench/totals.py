"""VBench's arithmetic: from the scores of dimensions, all within 0 to 1, to Quality, Semantic and Total.

Constants are those of VBench's leaderboard (`scripts/constant.py`, Huang et al., arXiv:2311.17982). The official tool
counts a missing dimension as 0, which is far below the worst score; here a total with a missing member is refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Dimension:
    """How a dimension enters a total: scores from `low` to `high` become 0 to 1, and weigh `weight`."""

    name: str
    low: float = 0.0
    high: float = 1.0
    weight: float = 1.0


QUALITY: Final = (
    Dimension("subject_consistency", 0.1462),
    Dimension("background_consistency", 0.2615),
    Dimension("temporal_flickering", 0.6293),
    Dimension("motion_smoothness", 0.706, 0.9975),
    Dimension("dynamic_degree", weight=0.5),
    Dimension("aesthetic_quality"),
    Dimension("imaging_quality"),
)
SEMANTIC: Final = (
    Dimension("object_class"),
    Dimension("multiple_objects"),
    Dimension("human_action"),
    Dimension("color"),
    Dimension("spatial_relationship"),
    Dimension("scene", 0.0, 0.8222),
    Dimension("appearance_style", 0.0009, 0.2855),
    Dimension("temporal_style", 0.0, 0.364),
    Dimension("overall_consistency", 0.0, 0.364),
)
DIMENSIONS: Final = {dimension.name: dimension for dimension in (*QUALITY, *SEMANTIC)}
"""The sixteen dimensions by name."""

LONG: Final = tuple(dimension for dimension in QUALITY if dimension.name != "temporal_flickering")
"""The six that papers on long videos average; VBench-I2V's quality has the same members."""

IMAGE: Final = (
    Dimension("camera_motion", weight=0.1),
    Dimension("i2v_subject", 0.1462),
    Dimension("i2v_background", 0.2615),
)
"""VBench-I2V: how well a video follows its first picture."""

ALL: Final = DIMENSIONS | {dimension.name: dimension for dimension in IMAGE}

QUALITY_SHARE: Final = 4.0
SEMANTIC_SHARE: Final = 1.0
"""Total is (4 Quality + Semantic) / 5."""


@dataclass(frozen=True)
class Partial:
    """The weighted mean of the members that are there; not comparable with the whole group's."""

    mean: float
    """NaN where no member is there."""
    present: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def label(self) -> str:
        """What it must be called, so that nobody takes it for the whole."""
        return f"partial ({len(self.present)} of {len(self.present) + len(self.missing)})"


def normalise(name: str, score: float) -> float:
    """A dimension's score on the scale of totals; not clipped, so smoothness above 0.9975 gives more than 1.

    >>> round(normalise("scene", 0.4111), 4)
    0.5

    Raises:
        ValueError: there is no such dimension, or the score is no number within -1 to 1.
    """
    if name not in ALL:
        raise ValueError(f"{name!r} is no dimension of VBench; allowed: {', '.join(ALL)}")
    if not -1 <= score <= 1:
        raise ValueError(f"{name} is {score}; scores go from 0 to 1 (percent: divide by 100)")
    return (score - ALL[name].low) / (ALL[name].high - ALL[name].low)


def quality(scores: Mapping[str, float]) -> float:
    """Quality of seven dimensions. Raises ValueError naming those that are missing."""
    return _whole("Quality", scores, QUALITY)


def semantic(scores: Mapping[str, float]) -> float:
    """Semantic of nine dimensions. Raises ValueError naming those that are missing."""
    return _whole("Semantic", scores, SEMANTIC)


def total(scores: Mapping[str, float]) -> float:
    """Total of all sixteen dimensions. Raises ValueError naming those that are missing."""
    _check("Total", scores, (*QUALITY, *SEMANTIC))
    whole = QUALITY_SHARE * quality(scores) + SEMANTIC_SHARE * semantic(scores)
    return whole / (QUALITY_SHARE + SEMANTIC_SHARE)


def long_total(scores: Mapping[str, float]) -> float:
    """The total of six dimensions that papers on long videos print. Raises ValueError naming those that are missing."""
    return _whole("the long total", scores, LONG)


def image_total(scores: Mapping[str, float]) -> float:
    """VBench-I2V's total: half how the picture is followed, half quality. Raises ValueError naming what is missing."""
    _check("the I2V total", scores, (*IMAGE, *LONG))
    return (_whole("I2V", scores, IMAGE) + _whole("I2V quality", scores, LONG)) / 2


def partial(scores: Mapping[str, float], members: Sequence[Dimension]) -> Partial:
    """The weighted mean of those members that have a score (NaN is none).

    >>> partial({"scene": 0.4111, "color": 1.0}, SEMANTIC).label
    'partial (2 of 9)'
    """
    present = tuple(d for d in members if not math.isnan(scores.get(d.name, math.nan)))
    weights = sum(d.weight for d in present)
    mean = sum(d.weight * normalise(d.name, scores[d.name]) for d in present) / weights if present else math.nan
    names = tuple(d.name for d in present)
    return Partial(mean, names, tuple(d.name for d in members if d.name not in names))


def _whole(title: str, scores: Mapping[str, float], members: Sequence[Dimension]) -> float:
    _check(title, scores, members)
    return partial(scores, members).mean


def _check(title: str, scores: Mapping[str, float], members: Sequence[Dimension]) -> None:
    missing = [d.name for d in members if math.isnan(scores.get(d.name, math.nan))]
    if missing:
        raise ValueError(f"{title} needs all its members; missing: {', '.join(missing)}")
