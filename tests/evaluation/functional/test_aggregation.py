"""Scores of models by every rule, against VBench's running sums."""

import numpy as np
import pytest

from evaluation.functional.aggregation import Rule, aggregate

SCORES, FRAMES = [0.9, 0.5, 0.7], [81, 17, 9]
RULES: tuple[Rule, ...] = ("video", "official_1gpu", "official_ngpu")


def running(weights: list[int]) -> float:
    """A sum over frames divided by their number."""
    total = sum(score * weight for score, weight in zip(SCORES, weights, strict=True))
    return total / sum(weights)


@pytest.mark.parametrize(
    ("name", "one", "many"),
    [
        ("subject_consistency", running([80, 16, 8]), 0.7),
        ("background_consistency", running([80, 16, 8]), running([80, 16, 8])),
        ("imaging_quality", 0.7, 0.7),
        ("dynamic_degree", 0.7, 0.7),
    ],
)
def test_rules(name: str, one: float, many: float) -> None:
    assert [aggregate(name, SCORES, FRAMES, rule) for rule in RULES] == pytest.approx([0.7, one, many])


def test_appearance_style_counts_last_frames_on_several_gpus() -> None:
    last = [0.1, 0.2, 0.6]
    found = [aggregate("appearance_style", SCORES, FRAMES, rule, last=last) for rule in RULES]
    assert found == pytest.approx([0.7, running(FRAMES), 0.3])
    with pytest.raises(ValueError, match="appearance_style: official_ngpu is the mean over last frames"):
        aggregate("appearance_style", SCORES, FRAMES, "official_ngpu")


def test_rules_agree_on_videos_of_one_length() -> None:
    for name in ("subject_consistency", "background_consistency", "temporal_style"):
        assert [aggregate(name, SCORES, [81] * 3, rule) for rule in RULES] == pytest.approx([0.7] * 3)


def test_videos_without_a_score_are_left_out() -> None:
    assert aggregate("dynamic_degree", [1, np.nan, 0], FRAMES) == 0.5
    assert np.isnan(aggregate("dynamic_degree", [np.nan], [3]))
    with pytest.raises(ValueError, match="dynamic_degree: 3 scores for 2 videos"):
        aggregate("dynamic_degree", SCORES, [1, 2])
