"""The videos of a cell know what they are."""

import json
from pathlib import Path

import pytest

from reward_forcing.study.filming import Film, film, note_levels
from tests.evaluation.made import MOVING

LINES = [{"video": f"{seed}.mkv", "seed": seed, "metadata": {"sink": "ema", "settings": "abc"}} for seed in (0, 1)]


def test_levels_and_training_seeds_are_noted_once(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    note_levels(manifest, {"trained with": "static"})
    noted = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["metadata"]["training_seed"] for line in noted] == [0, 1]
    assert {line["metadata"]["trained with"] for line in noted} == {"static"}
    assert {line["metadata"]["settings"] for line in noted} == {"abc"}
    before = manifest.stat().st_mtime_ns
    note_levels(manifest, {"trained with": "static"})
    assert manifest.stat().st_mtime_ns == before


def test_a_student_that_is_not_there_is_told(tmp_path: Path) -> None:
    missing = Film("mine", tmp_path, {0: tmp_path / "student.safetensors"}, MOVING, 24)
    with pytest.raises(ValueError, match=r"student\.safetensors"):
        film(missing)
