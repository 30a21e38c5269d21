"""Findings in Markdown, and blocks of pages that agree with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.composition import places
from reward_forcing.study.analysis import SCHEMA
from reward_forcing.study.writing import NOT_YET, PARTS, costs, page, pages, read_found, refreshed, table, verdicts

RESULTS = places.shipped("experiments/results")


def column(metric: str, window: str = "late", **more: Any) -> dict[str, Any]:
    usual = {"title": metric.replace("_", " "), "unit": "", "better": "lower", "target": None, "headline": True}
    return {"metric": metric, "window": window, **usual, "optimised": False, "margin": None, **more}


def estimate(cell: str, mean: float | None, metric: str = "palette_drift", window: str = "late") -> dict[str, Any]:
    ends = {"low": None, "high": None} if mean is None else {"low": mean - 0.1, "high": mean + 0.1}
    return {"cell": cell, "metric": metric, "window": window, "mean": mean, **ends, "videos": 24}


def made_up() -> dict[str, Any]:
    difference = {
        **estimate("ema", -0.2),
        "verdict": "better",
        "p": 0.001,
        "p_holm": 0.0004,
        "won": 1.0,
        "pairs": 24,
        "equivalence": None,
    }
    early = column("x", "clip", headline=False)
    student = {"name": "ema, seed 0", "config": "abc", "reused": False, "steps": 300, "seconds": 210.0}
    return {
        "schema": SCHEMA,
        "name": "mine",
        "question": "Does it help?",
        "command": "reward-forcing study mine",
        "date": "2026-01-02",
        "machine": {"cpu": "a processor", "cores": 2},
        "jobs": 2,
        "seconds": 120.0,
        "unit": "24 prompts",
        "videos": 72,
        "students": [{**student, "planned_flops": 2e15, "peak_memory_gib": 0.9}],
        "reference": "none",
        "cells": ["none", "ema"],
        "baselines": ["truth"],
        "columns": [column("palette_drift"), column("contrast", headline=False, optimised=True), early],
        "estimates": [estimate("none", 0.5), estimate("ema", 0.3), estimate("truth", 0.0)],
        "differences": [difference],
        "effects": [],
    }


def test_a_table_shows_estimates_differences_and_verdicts() -> None:
    lines = table(made_up()).splitlines()
    assert lines[0].startswith("| cell | palette drift (last third, ↓) |")
    assert lines[2].startswith("| none (reference) | 0.50 [0.40, 0.60] |")
    assert lines[3].startswith("| ema | 0.30 [0.20, 0.40]<br>-0.20 [-0.30, -0.10] **better** |")
    assert lines[4].startswith("| truth | 0.00 [-0.10, 0.10] |")


def test_verdicts_name_the_interval_and_the_corrected_p() -> None:
    assert verdicts(made_up()) == (
        "* **ema** against none: better: palette drift in the last third (-0.20 [-0.30, -0.10], p < .001)."
    )


def test_what_is_equivalent_is_told_instead_of_unclear() -> None:
    found = made_up()
    found["differences"][0] |= {"equivalence": "equivalent", "verdict": "unclear"}
    assert "equivalent: palette drift" in verdicts(found)


def test_costs_say_who_was_trained_for_this_study() -> None:
    said = costs(made_up())
    assert "1 students, 1 of them trained for this study: 4 minutes" in said
    assert "2 PFLOP as planned, peak memory 0.9 GiB" in said


def test_the_page_has_everything() -> None:
    text = page(made_up())
    assert text.startswith("# Results of mine\n\nDoes it help?\n\n`reward-forcing study mine`, 2026-01-02, a processor")
    assert "Optimised by the training, so no evidence" in text


def test_blocks_are_written_from_results(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(made_up()))
    before = "a\n<!-- results:mine verdicts -->\nold\n<!-- /results -->\nb\n<!-- results:other -->\n<!-- /results -->\n"
    after = refreshed(before, tmp_path)
    assert verdicts(made_up()) in after
    assert "old" not in after
    assert NOT_YET in after.partition("results:other")[2]
    assert refreshed(after, tmp_path) == after
    assert (after[0], "\nb\n" in after) == ("a", True)


def test_unknown_parts_and_schemas_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({**made_up(), "schema": "reward-forcing/study/0"}))
    with pytest.raises(ValueError, match="the schema is 'reward-forcing/study/0'; allowed: 'reward-forcing/study/1'"):
        read_found(tmp_path / "mine.json")
    with pytest.raises(ValueError, match="results:other poem: no such part; allowed: verdicts, table"):
        refreshed("<!-- results:other poem -->\n<!-- /results -->", tmp_path)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_pages_agree_with_the_committed_results(path: Path) -> None:
    """Not so? `reward-forcing study --write`."""
    text = path.read_text(encoding="utf-8")
    assert refreshed(text, RESULTS) == text


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_agree_with_their_pages_and_are_small(path: Path) -> None:
    found = read_found(path)
    assert found is not None
    assert path.with_suffix(".md").read_text(encoding="utf-8") == page(found)
    assert not any(one["headline"] and one["optimised"] for one in found["columns"])
    for picture in (path.with_suffix(".png"), path.with_name(f"{path.stem}_videos.png")):
        assert 0 < picture.stat().st_size < 300_000


def test_every_part_can_be_said() -> None:
    assert all(isinstance(say(made_up()), str) for say in PARTS.values())
