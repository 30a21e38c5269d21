"""What is found in scores whose truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.measure import discover
from evaluation.report.reading import Results
from evaluation.summary import summarise
from evaluation.table import Record
from reward_forcing.study.analysis import TEACHER, columns_of, fair, found
from reward_forcing.study.design import Study
from tests.evaluation.made import record

HEADLINE = (("palette_drift", "late"), ("shape_accuracy", "all"))
STUDY = Study(
    question="?",
    reference="none, dmd",
    headline=HEADLINE,
    factors={"sink": "sink", "loss": "loss"},
    equivalence={("shape_accuracy", "all"): 0.05},
)


def scored(cell: str, drift: float, shape: float, rng: np.random.Generator, **metadata: Any) -> list[Record]:
    """Videos of 12 prompts from each of 3 training seeds."""
    videos = []
    for seed in range(3):
        for prompt in range(12):
            scores = {"palette_drift": drift + rng.normal(0, 0.01), "shape_accuracy": shape, "contrast": 1.0}
            noted = {"training_seed": seed, "reward": "tracked_motion", **metadata}
            videos.append(record(cell, seed, scores, prompt=f"red circle slow pan-{prompt}", metadata=noted))
    return videos


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """EMA halves drift and Re-DMD adds to it; together they add still more. Shapes differ by 1 %."""
    rng = np.random.default_rng(0)
    drift = {("none", "dmd"): 0.2, ("ema", "dmd"): 0.1, ("none", "re_dmd"): 0.25, ("ema", "re_dmd"): 0.25}
    records = [
        one
        for (sink, loss), mean in drift.items()
        for one in scored(f"{sink}, {loss}", mean, 0.98 if sink == "ema" else 0.99, rng, sink=sink, loss=loss)
    ]
    records += scored(TEACHER, 0.01, 1.0, rng)
    measures = {name: discover()[name] for name in ("palette_drift", "shape_accuracy", "contrast")}
    summary = summarise(records, measures, STUDY.reference)
    return found(STUDY, Results(Path(), {}, tuple(records), measures, summary, {}))


def difference(content: dict[str, Any], cell: str, metric: str, window: str) -> dict[str, Any]:
    (one,) = (d for d in content["differences"] if (d["cell"], d["metric"], d["window"]) == (cell, metric, window))
    return dict(one)


def test_differences_have_the_sign_and_verdict_of_the_truth(content: dict[str, Any]) -> None:
    better = difference(content, "ema, dmd", "palette_drift", "late")
    assert better["verdict"] == "better"
    assert better["low"] < better["high"] < 0
    assert better["mean"] == pytest.approx(-0.1, abs=0.005)
    worse = difference(content, "none, re_dmd", "palette_drift", "late")
    assert worse["verdict"] == "worse"
    assert worse["pairs"] == 36
    assert worse["p"] <= worse["p_holm"] <= 1


def test_a_small_difference_is_equivalent_within_the_declared_margin(content: dict[str, Any]) -> None:
    assert difference(content, "ema, dmd", "shape_accuracy", "all")["equivalence"] == "equivalent"
    assert difference(content, "ema, dmd", "palette_drift", "late")["equivalence"] is None


def test_effects_are_those_of_the_design(content: dict[str, Any]) -> None:
    of_drift = {e["name"]: e for e in content["effects"] if (e["metric"], e["window"]) == HEADLINE[0]}
    truth = {
        "sink: ema - none": -0.05,
        "loss: re_dmd - dmd": 0.1,
        "sink x loss: ema - none at re_dmd - at dmd": 0.1,
    }
    assert {name: pytest.approx(e["mean"], abs=0.01) for name, e in of_drift.items()} == truth
    assert [e["verdict"] for e in of_drift.values()] == ["better", "worse", "worse"]


def test_the_teacher_is_compared_on_first_clips_only(content: dict[str, Any]) -> None:
    windows = {e["window"] for e in content["estimates"] if e["cell"] == TEACHER}
    assert windows == {"clip"}
    assert TEACHER not in content["cells"]


def test_headlines_come_first_and_what_was_optimised_is_marked(content: dict[str, Any]) -> None:
    columns = content["columns"]
    assert [(c["metric"], c["window"]) for c in columns[:2]] == list(HEADLINE)
    assert {c["metric"] for c in columns if c["optimised"]} == {"contrast"}
    assert [c["metric"] for c in columns if c["headline"]] == ["palette_drift", "shape_accuracy"]


def test_columns_without_scores_are_left_out() -> None:
    measures = {"palette_drift": discover()["palette_drift"]}
    columns = columns_of(STUDY, (("palette_drift", "late"),), measures)
    assert columns == [("palette_drift", "late"), ("palette_drift", "clip")]
    assert fair(columns, TEACHER) == [("palette_drift", "clip")]
    assert fair(columns, "ema") == columns
