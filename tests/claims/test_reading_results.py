"""How results answer claims, on made-up ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.study.analysis import SCHEMA
from tests.claims.behaviour import Claim, answer, differences, load, table

COPY = {"metric": "copy_score", "window": "late"}
MADE_UP: dict[str, Any] = {
    "schema": SCHEMA,
    "reference": "static, dmd",
    "columns": [{**COPY, "optimised": False}, {"metric": "scroll_ratio", "window": "all", "optimised": True}],
    "effects": [
        {**COPY, "name": "sink: ema - static", "mean": -0.3, "low": -0.5, "high": -0.1},
        {**COPY, "name": "sink x loss: ema - static at re_dmd - at dmd", "mean": 9.0, "low": 8.0, "high": 10.0},
        {**COPY, "name": "loss: re_dmd - dmd", "mean": None, "low": None, "high": None},
    ],
    "differences": [
        {"metric": "scroll_ratio", "window": "all", "cell": "ema, dmd", "mean": 0.2, "low": -0.1, "high": 0.5},
    ],
}


def claim(**more: Any) -> Claim:
    usual = {"says": "less copied", "study": "made_up", "pair": ("ema", "static"), "predicted": "less", **COPY}
    return Claim(**{**usual, **more})


@pytest.mark.parametrize(
    ("predicted", "margin", "interval", "verdict"),
    [
        ("more", 0.0, (0.2, 0.1, 0.3), "supported"),
        ("more", 0.0, (-0.2, -0.3, -0.1), "contradicted"),
        ("more", 0.0, (0.1, -0.1, 0.3), "undecided"),
        ("more", 0.0, (0.1, 0.0, 0.2), "undecided"),
        ("less", 0.0, (-0.2, -0.3, -0.1), "supported"),
        ("less", 0.0, (0.2, 0.1, 0.3), "contradicted"),
        ("kept", 0.05, (-0.02, -0.04, 0.0), "supported"),
        ("kept", 0.05, (-0.04, -0.06, -0.02), "undecided"),
        ("kept", 0.05, (-0.1, -0.14, -0.06), "contradicted"),
        ("kept", 0.05, (0.1, 0.06, 0.14), "supported"),
    ],
)
def test_verdicts(predicted: Any, margin: float, interval: tuple[float, float, float], verdict: str) -> None:
    assert claim(predicted=predicted, margin=margin).verdict(interval) == verdict


def test_effects_and_differences_are_told_in_both_directions() -> None:
    assert answer(claim(), MADE_UP) == (-0.3, -0.5, -0.1)
    assert answer(claim(pair=("static", "ema")), MADE_UP) == (0.3, 0.1, 0.5)
    assert answer(claim(pair=("ema, dmd", "static, dmd"), metric="scroll_ratio", window="all"), MADE_UP)[0] == 0.2
    assert ("re_dmd", "dmd") not in differences(MADE_UP, "copy_score", "late"), "nothing could be said"


def test_what_was_not_compared_is_told() -> None:
    with pytest.raises(KeyError, match="made_up does not tell ema - none on copy_score late; it tells .*ema - static"):
        answer(claim(pair=("ema", "none")), MADE_UP)


def test_a_study_that_was_not_run_is_told_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no results of sink_x_loss; .*: reward-forcing study sink_x_loss"):
        load("sink_x_loss", tmp_path)


def test_the_table(tmp_path: Path) -> None:
    (tmp_path / "made_up.json").write_text(json.dumps(MADE_UP))
    moved = claim(
        says="more motion", pair=("ema, dmd", "static, dmd"), metric="scroll_ratio", window="all", predicted="more"
    )
    assert table([claim(), moved], tmp_path).splitlines()[2:] == [
        "| less copied | `copy_score`, late: ema - static | -0.3 [-0.5, -0.1] | supported |",
        "| more motion | `scroll_ratio` (*optimised*): ema, dmd - static, dmd | +0.2 [-0.1, +0.5] | undecided |",
    ]
