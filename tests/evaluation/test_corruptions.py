"""Which damage moves which metric, and which it must not: the validation of the metrics.

Scores are those of the second half of damaged truth. A table like this is how a metric earns its place in a report.
"""

from collections.abc import Mapping

import pytest
import torch

from evaluation.evidence import look
from evaluation.measure import discover
from reward_forcing.videos import to_float, to_uint8
from tests.evaluation import made

FRAMES = 48
MEASURES = discover()


def late(damage: made.Damage) -> dict[str, float]:
    """Every metric in the second half of damaged truth."""
    clips = to_float(made.truth(FRAMES))
    evidence = look(torch.stack([to_uint8(damage(clip)) for clip in clips]), made.MOVING)
    half = evidence.between(FRAMES // 2, FRAMES)
    return {name: float(measure(half).nanmean()) for name, measure in MEASURES.items()}


@pytest.fixture(scope="module")
def intact() -> dict[str, float]:
    return late(made.intact)


MOVED: Mapping[made.Damage, Mapping[str, float]] = {
    made.frozen: {
        "net_displacement": -5,
        "step_motion": -0.5,
        "scroll_ratio": -0.8,
        "copy_score": 0.8,
        "pan_accuracy": -0.9,
    },
    made.tinted: {"palette_drift": 0.05},
    made.brightened: {"palette_drift": 0.08},
    made.greyed: {"contrast": -0.4, "palette_drift": 0.02, "one_sprite": -0.5},
    made.copying: {"copy_score": 0.5, "sink_similarity": 0.4, "contrast": -0.2, "net_displacement": -2},
    made.erased: {"one_sprite": -0.9, "colour_accuracy": -0.9, "shape_accuracy": -0.9, "frame_difference": -2},
    made.slowed: {"net_displacement": -2, "step_motion": -0.4, "scroll_ratio": -0.4, "pan_accuracy": -0.5},
    made.shuffled: {"jitter": 5, "jumps": 0.3, "step_motion": 0.5, "frame_difference": 10, "pan_accuracy": -0.5},
    made.noisy: {"frame_difference": 3, "temporal_flickering": -0.01},
}
"""For every kind of damage, what must move, at least by so much in this direction."""

UNMOVED: Mapping[made.Damage, tuple[str, ...]] = {
    made.frozen: ("one_sprite", "colour_accuracy", "shape_accuracy", "palette_drift", "contrast", "jumps"),
    made.brightened: ("net_displacement", "scroll_ratio", "contrast", "copy_score", "one_sprite", "sink_similarity"),
    made.slowed: ("one_sprite", "shape_accuracy", "palette_drift", "contrast", "jumps"),
    made.shuffled: ("one_sprite", "shape_accuracy", "palette_drift", "contrast", "shape_overlap"),
    made.noisy: ("net_displacement", "scroll_ratio", "contrast", "copy_score", "one_sprite", "shape_accuracy", "jumps"),
}
"""For some kinds of damage, what they must not move."""


def names(damage: made.Damage) -> str:
    return getattr(damage, "__name__", str(damage))


@pytest.mark.parametrize("damage", MOVED, ids=names)
def test_damage_is_seen(damage: made.Damage, intact: dict[str, float]) -> None:
    scores = late(damage)
    for metric, least in MOVED[damage].items():
        change = scores[metric] - intact[metric]
        assert change / least >= 1, f"{metric} changed by {change:+.3f}, expected {least:+.3f} or more"


@pytest.mark.parametrize("damage", UNMOVED, ids=names)
def test_what_is_not_damaged_keeps_its_score(damage: made.Damage, intact: dict[str, float]) -> None:
    scores = late(damage)
    for metric in UNMOVED[damage]:
        assert scores[metric] == pytest.approx(intact[metric], abs=0.03), metric


def test_good_scores_can_be_had_by_standing_still(intact: dict[str, float]) -> None:
    """Why every report has the frozen first frame as a grey row."""
    frozen = late(made.frozen)
    for metric in ("one_sprite", "shape_accuracy", "palette_drift", "contrast", "jitter", "jumps"):
        measure = MEASURES[metric]
        errors = [float(measure.error(torch.tensor(score).numpy())) for score in (frozen[metric], intact[metric])]
        assert errors[0] <= errors[1] + 0.01
