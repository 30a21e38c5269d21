"""Factors and equivalence in a report, from scores whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evaluation.measure import discover
from evaluation.report.contrasts import effect_section, equivalence_section, factor_effects, titled
from evaluation.statistics.factorial import Effect
from evaluation.summary import summarise
from evaluation.table import Record
from tests.evaluation.made import record

FACTORS = ("sink", "loss")
COLUMN = ("palette_drift", "late")
MEASURES = {name: discover()[name] for name in ("palette_drift", "shape_accuracy")}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """EMA takes .1 of drift away, Re-DMD adds .05; no interaction."""
    rng = np.random.default_rng(0)
    made = []
    for sink, of_sink in (("ema", -0.1), ("none", 0.0)):
        for loss, of_loss in (("re_dmd", 0.05), ("dmd", 0.0)):
            for seed in range(8):
                scores = {"palette_drift": 0.3 + of_sink + of_loss + rng.normal(0, 0.005), "shape_accuracy": 0.9}
                made.append(record(f"{sink}, {loss}", seed, scores, metadata={"sink": sink, "loss": loss}))
    return made


def test_effects_are_against_the_reference_whatever_comes_first(records: list[Record]) -> None:
    found = factor_effects(records, FACTORS, [COLUMN], MEASURES, "none, dmd")[COLUMN]
    assert {e.name: pytest.approx(e.mean, abs=0.01) for e in found} == {
        "sink: ema - none": -0.1,
        "loss: re_dmd - dmd": 0.05,
        "sink x loss: ema - none at re_dmd - at dmd": 0.0,
    }


def test_cells_without_levels_take_no_part(records: list[Record]) -> None:
    teacher = [replace(one, cell="teacher", metadata={}) for one in records[:8]]
    alone = factor_effects(records, FACTORS, [COLUMN], MEASURES, "none, dmd")
    assert factor_effects([*teacher, *records], FACTORS, [COLUMN], MEASURES, "none, dmd") == alone


def test_a_factor_of_one_level_has_no_effect(records: list[Record]) -> None:
    some = [one for one in records if one.metadata["loss"] == "dmd"]
    assert factor_effects(some, FACTORS, [COLUMN], MEASURES, "none, dmd") == {}


def test_unknown_factors_are_told(records: list[Record]) -> None:
    with pytest.raises(ValueError, match="factors are sink and colour; metadata of videos have: loss, sink"):
        factor_effects(records, ("sink", "colour"), [COLUMN], MEASURES, "none, dmd")


def test_effects_as_a_table() -> None:
    effects = [Effect("a: y - x", -0.1, -0.2, -0.05, 0.01, 8), Effect("b: y - x", 0.1, -0.2, 0.4, 0.5, 8)]
    section = effect_section({COLUMN: effects}, MEASURES)
    assert section.rows == (
        ("palette drift (last third)", "a: y - x", "-0.100", "[-0.200, -0.050]", "excludes 0"),
        ("palette drift (last third)", "b: y - x", "+0.100", "[-0.200, +0.400]", ""),
    )


def test_effects_without_an_interval_exclude_nothing() -> None:
    section = effect_section({COLUMN: [Effect("a: y - x", -0.1, math.nan, math.nan, 1, 1)]}, MEASURES)
    assert section.rows[0][-1] == ""


def test_equivalence_as_a_table(records: list[Record]) -> None:
    summary = summarise(records, MEASURES, "none, dmd")
    rows = equivalence_section(
        summary, MEASURES, {("palette_drift", "late"): 0.02, ("shape_accuracy", "all"): 0.05}
    ).rows
    said = {(metric, cells): words for metric, cells, _, _, words in rows}
    assert said["palette drift (last third)", "ema, dmd - none, dmd"] == "differs"
    assert said["shape", "ema, dmd - none, dmd"] == "no difference that matters"
    assert len(rows) == 6


def test_titles_name_the_window() -> None:
    assert titled(("palette_drift", "late"), MEASURES) == "palette drift (last third)"
    assert titled(("palette_drift", "all"), MEASURES) == "palette drift"
