import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import teachers
from benchmarks.approximations import PROMPTS, STUDENT
from benchmarks.small import SCENE
from benchmarks.tables import told
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.composition.places import shipped
from reward_forcing.engine.quantised import EightBits
from reward_forcing.streaming import load_streamer
from tests import tiny


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return teachers.toy_teachers(load_streamer(shipped(STUDENT)), PROMPTS[:2], draws=2, rounds=1)


def test_scores_are_compared_as_distillation_compares_them() -> None:
    scores = plain(compose())["module"]["scores"]
    assert {key: scores[key] for key in vars(teachers.SCORES)} == vars(teachers.SCORES)


def test_every_way_is_another() -> None:
    made = teachers.ways(tiny.network())
    kinds = {name: type(one.get_submodule("blocks.0.ffn.0")) for name, one in made.items()}
    assert kinds == {"exact": torch.nn.Linear, "int8": EightBits, "float8": EightBits, "bf16": torch.nn.Linear}
    assert [one.dtype for one in made.values()] == [*[torch.float32] * 3, torch.bfloat16]


def test_what_is_apart_is_known_for_known_vectors() -> None:
    one = torch.tensor([3.0, 4.0])
    assert teachers.apart("x", one, one) == pytest.approx({"x_error_share": 0, "x_cosine": 1})
    assert teachers.apart("x", torch.tensor([-4.0, 3.0]), one) == pytest.approx(
        {"x_error_share": 2**0.5, "x_cosine": 0}, abs=1e-6
    )


def test_eight_bits_tell_nearly_the_same_in_less_memory(rows: dict[str, Any]) -> None:
    """A gap between near scores is hit harder than the velocity; int8 is nearer than float8."""
    exact, int8, float8, bf16 = (rows[name] for name in ("exact", "int8", "float8", "bf16"))
    assert [row["exact"] for row in rows.values()] == [True, False, False, False]
    assert exact["velocity_error_share"] == exact["gap_error_share"] == 0
    for row in (int8, bf16):
        assert 0 < row["velocity_error_share"] < 0.1 < row["gap_error_share"] < 0.5
        assert 0.9 < row["gap_cosine"] < 1
    assert float8["gap_error_share"] > int8["gap_error_share"]
    assert int8["weights_bytes"] == float8["weights_bytes"] < bf16["weights_bytes"] < exact["weights_bytes"]


def test_they_are_told_as_tables(rows: dict[str, Any], tmp_path: Path) -> None:
    measured = {"toy_teacher": rows, "wan_mini_teacher": teachers.mini_teachers(SCENE, rounds=1)}
    at = {"device": "a processor", "threads": 1, "torch": "2", "date": "2026-11-26", "commit": None}
    path = tmp_path / "approximations.json"
    path.write_text(json.dumps({"command": "x", "environment": at, "measured": measured}))
    said = told(path)
    heads = "pass | times as fast | velocity error | velocity cosine | gap error | gap cosine | weights"
    assert f"| toy teacher, approximate | {heads} |" in said
    assert "| wan mini teacher, approximate | pass | times as fast |" in said
    assert said.count("| int8 |") == said.count("| bf16 |") == 2
