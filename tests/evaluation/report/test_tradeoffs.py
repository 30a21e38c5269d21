"""Trade-offs show what two cells have, and where better is."""

import pytest

from evaluation.measure import discover
from evaluation.report.tradeoffs import DRIFT, MOTION, QUALITY, axis, first_known, speed_axis, tradeoffs
from evaluation.summary import Summary, summarise
from tests.evaluation.made import record

MEASURES = discover()
SPEEDS = [{"cell": "ema", "figures": {"fps": 20.0, "fps_slowest_run": 18.0, "fps_fastest_run": 21.0}}]


def study(**scores: float) -> Summary:
    return summarise([record(cell, seed, scores) for cell in ("none", "ema") for seed in range(3)], MEASURES)


def test_every_family_names_metrics_that_exist_or_will_with_weights() -> None:
    assert {"net_displacement", "palette_drift", "shape_overlap"} <= set(MEASURES)
    for family in (MOTION, DRIFT, QUALITY):
        assert family[0][0] in MEASURES


def test_motion_stands_against_drift_and_quality_against_speed() -> None:
    summary = study(net_displacement=3.0, palette_drift=0.1, shape_overlap=0.9)
    (drift, motion), (speed, quality) = tradeoffs(summary, MEASURES, SPEEDS)
    assert (drift.title, motion.title) == ("palette drift", "net displacement")
    assert motion.words == "net displacement (px in 12 frames, ↑)"
    assert motion.values["ema"].mean == pytest.approx(3)
    assert quality.title == "shape overlap"
    assert (speed.values["ema"].low, speed.values["ema"].mean, speed.values["ema"].high) == (18, 20, 21)


def test_what_is_not_known_is_not_shown() -> None:
    assert tradeoffs(study(net_displacement=3.0), MEASURES, SPEEDS) == []
    assert len(tradeoffs(study(net_displacement=3.0, palette_drift=0.1), MEASURES, [])) == 1
    assert first_known(study(frame_difference=1.0), MOTION) == ("frame_difference", "all")
    assert first_known(study(net_displacement=float("nan"), frame_difference=1.0), MOTION) == MOTION[3]


def test_axes_say_direction_and_unit() -> None:
    assert axis(study(contrast=1.0), MEASURES, ("contrast", "all")).words == "contrast (→ 1)"
    assert speed_axis([]).words == "frames per second ↑"
