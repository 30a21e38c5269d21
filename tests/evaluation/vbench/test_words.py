"""Totals in words: the names say what is complete."""

from typing import Any

import pytest

from evaluation.table import Record
from evaluation.vbench.totals import DIMENSIONS, IMAGE, LONG
from evaluation.vbench.words import own_scores, told_totals
from tests.evaluation.made import record
from tests.evaluation.vbench.test_totals import scores_of


def test_complete_results() -> None:
    lines = told_totals("Reward Forcing", scores_of("Reward Forcing"))
    assert lines[0] == "Reward Forcing"
    told = dict(line.split() for line in lines[1:4])
    assert list(told) == ["Quality", "Semantic", "Total"]
    assert [float(value) for value in told.values()] == pytest.approx([84.84, 81.32, 84.13], abs=0.011)
    assert lines[4].split()[:4] == ["long", "total,", "six", "dimensions"]
    assert len(lines) == 5 + 16
    assert lines[5].split() == ["subject_consistency", "95.43", "normalised", "94.65"]


def test_incomplete_results_have_other_names() -> None:
    some = {name: score for name, score in scores_of("CausVid").items() if name not in ("dynamic_degree", "scene")}
    quality, semantic, total = told_totals("x", some)[1:4]
    assert quality.startswith("  Quality: partial (6 of 7)")
    assert quality.endswith("missing: dynamic_degree")
    assert semantic.startswith("  Semantic: partial (8 of 9)")
    assert total.split() == ["Total", "-", "2", "dimensions", "are", "missing"]
    assert not any("six dimensions" in line for line in told_totals("x", some))


def test_nothing_at_all() -> None:
    assert told_totals("x", {"scene": float("nan")})[1].split()[:6] == ["Quality:", "partial", "(0", "of", "7)", "-"]


def test_videos_from_pictures() -> None:
    lines = told_totals("x", {d.name: 1.0 for d in (*IMAGE, *LONG)})
    assert [line.split()[:2] for line in lines[4:6]] == [["long", "total,"], ["I2V", "total"]]


def suited(dimensions: list[str], score: float, **more: Any) -> Record:
    return record("ema", 0, {"scene": score, "color": score}, metadata={"vbench": {"dimensions": dimensions}}, **more)


def test_our_own_results() -> None:
    records = [record("ema", seed, {"scene": 0.2 * seed, "proxy/color": 1.0}) for seed in (1, 2)]
    records.append(record("none", 1, {"vbench/scene": 0.7, "temporal_style": float("nan")}))
    assert own_scores(records) == {"ema": {"scene": pytest.approx(0.3)}, "none": {"scene": pytest.approx(0.7)}}


def test_dimensions_are_scored_on_their_own_videos() -> None:
    records = [suited(["scene"], 0.2), suited(["color"], 0.8), suited(["scene", "color"], 0.4)]
    assert own_scores(records)["ema"] == pytest.approx({"scene": 0.3, "color": 0.6})
    assert set(own_scores(records)["ema"]) <= set(DIMENSIONS)
