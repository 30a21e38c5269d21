"""Published rows are recomputed; what is incomplete is refused."""

import math

import pytest

from evaluation.vbench import totals
from evaluation.vbench.totals import DIMENSIONS, IMAGE, LONG, QUALITY, SEMANTIC, normalise, partial

QUALITY_ORDER = [
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
]
SEMANTIC_ORDER = [
    "object_class",
    "multiple_objects",
    "human_action",
    "color",
    "spatial_relationship",
    "scene",
    "temporal_style",
    "appearance_style",
    "overall_consistency",
]
PUBLISHED = {
    "CausVid": (
        "96.33 95.84 99.44 97.98 61.11 64.52 67.96",
        "92.78 88.32 96.20 86.67 74.05 51.35 23.95 20.19 25.95",
        "83.93 78.69 82.88",
    ),
    "Self-Forcing": (
        "95.09 96.10 99.01 98.24 66.38 65.79 69.71",
        "93.16 87.19 96.40 86.83 81.77 56.13 24.45 20.34 26.85",
        "84.59 80.64 83.80",
    ),
    "LongLive": (
        "96.98 96.92 99.35 98.79 40.83 67.03 69.18",
        "96.28 86.49 95.80 90.79 80.56 58.79 24.16 20.42 26.61",
        "83.68 81.37 83.22",
    ),
    "Reward Forcing": (
        "95.43 96.59 98.97 98.32 68.05 65.66 69.38",
        "94.81 86.79 96.80 89.42 82.47 57.19 24.33 20.38 26.88",
        "84.84 81.32 84.13",
    ),
}
"""Tables 6 and 7 of Reward Forcing, in percent: quality raw, semantic raw, Quality Semantic Total."""


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def scores_of(model: str) -> dict[str, float]:
    raw = numbers(PUBLISHED[model][0]) + numbers(PUBLISHED[model][1])
    return {name: value / 100 for name, value in zip(QUALITY_ORDER + SEMANTIC_ORDER, raw, strict=True)}


@pytest.mark.parametrize("model", sorted(PUBLISHED))
def test_published_totals(model: str) -> None:
    scores = scores_of(model)
    ours = [100 * total(scores) for total in (totals.quality, totals.semantic, totals.total)]
    assert ours == pytest.approx(numbers(PUBLISHED[model][2]), abs=0.01)


def test_sixteen_dimensions_in_two_groups() -> None:
    assert [d.name for d in QUALITY] == QUALITY_ORDER
    assert {d.name for d in SEMANTIC} == set(SEMANTIC_ORDER)
    assert len(DIMENSIONS) == 16
    assert sum(d.weight for d in QUALITY) == 6.5
    assert sum(d.weight for d in SEMANTIC) == 9


@pytest.mark.parametrize(
    ("name", "score", "expected"),
    [
        ("subject_consistency", 0, -0.171),
        ("background_consistency", 0, -0.354),
        ("temporal_flickering", 0, -1.698),
        ("motion_smoothness", 0, -2.422),
        ("motion_smoothness", 1, 1.0086),
        ("appearance_style", 0.2855, 1),
        ("dynamic_degree", 0.3, 0.3),
    ],
)
def test_scores_are_stretched_and_not_clipped(name: str, score: float, expected: float) -> None:
    assert normalise(name, score) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("name", "points"), [("subject_consistency", 0.144), ("dynamic_degree", 0.062)])
def test_points_of_total_per_raw_point(name: str, points: float) -> None:
    scores = scores_of("CausVid")
    more = scores | {name: scores[name] + 0.01}
    assert 100 * (totals.total(more) - totals.total(scores)) == pytest.approx(points, abs=5e-4)


def test_the_total_of_long_videos_is_the_mean_of_six() -> None:
    scores = {name: 0.9 for name in QUALITY_ORDER if name != "temporal_flickering"}
    by_hand = [(0.9 - low) / (high - low) for low, high in [(0.1462, 1), (0.2615, 1), (0.706, 0.9975)]]
    assert totals.long_total(scores) == pytest.approx((sum(by_hand) + 0.5 * 0.9 + 0.9 + 0.9) / 5.5)
    assert len(LONG) == 6


def test_the_total_of_videos_from_pictures() -> None:
    scores = {d.name: 1.0 for d in (*IMAGE, *LONG)}
    assert totals.image_total(scores) == pytest.approx((1 + (5.5 - 1 + 0.294 / 0.2915) / 5.5) / 2)
    without_motion = totals.image_total(scores | {"camera_motion": 0.0})
    assert totals.image_total(scores) - without_motion == pytest.approx(0.1 / 2.1 / 2)


@pytest.mark.parametrize(
    ("total", "gone", "title"),
    [
        (totals.quality, "dynamic_degree", "Quality"),
        (totals.semantic, "scene", "Semantic"),
        (totals.total, "color", "Total"),
        (totals.long_total, "imaging_quality", "the long total"),
        (totals.image_total, "i2v_subject", "the I2V total"),
    ],
)
def test_totals_with_missing_members_are_refused(total: object, gone: str, title: str) -> None:
    assert callable(total)
    whole = scores_of("LongLive") | {d.name: 0.5 for d in IMAGE}
    for scores in ({name: value for name, value in whole.items() if name != gone}, whole | {gone: math.nan}):
        with pytest.raises(ValueError, match=f"^{title} needs all its members; missing: {gone}$"):
            total(scores)


def test_what_is_there_has_another_name() -> None:
    found = partial({"dynamic_degree": 1.0, "imaging_quality": 0.4, "scene": 0.1}, QUALITY)
    assert found.mean == pytest.approx((0.5 + 0.4) / 1.5)
    assert found.label == "partial (2 of 7)"
    assert found.missing == tuple(n for n in QUALITY_ORDER if n not in ("dynamic_degree", "imaging_quality"))


def test_nothing_has_no_mean() -> None:
    found = partial({"scene": 0.5}, QUALITY)
    assert math.isnan(found.mean)
    assert found.label == "partial (0 of 7)"


@pytest.mark.parametrize(
    ("name", "score", "message"),
    [
        ("imaging_quality", 69.4, "imaging_quality is 69.4; scores go from 0 to 1"),
        ("scene", math.nan, "scene is nan"),
        ("beauty", 0.5, "'beauty' is no dimension of VBench; allowed: subject_consistency"),
    ],
)
def test_wrong_scores_are_refused(name: str, score: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        normalise(name, score)
