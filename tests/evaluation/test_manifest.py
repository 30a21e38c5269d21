"""Manifests that are wrong are refused with line, field and what is allowed."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.manifest import read_manifest

GOOD: dict[str, Any] = {"video": "a.mkv", "prompt": "red circle", "seed": 3, "cell": "ema", "fps": 8}


def write(folder: Path, *lines: str) -> Path:
    (folder / "a.mkv").write_bytes(b"")
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_entries_come_in_order_with_paths_beside_the_manifest(tmp_path: Path) -> None:
    lines = [json.dumps(GOOD | {"seed": seed}) for seed in (5, 2)]
    entries = read_manifest(write(tmp_path, lines[0], "", lines[1]))
    assert [entry.seed for entry in entries] == [5, 2]
    assert entries[0].video == tmp_path / "a.mkv"
    assert entries[0].fps == 8.0
    assert entries[0].key == ("ema", "red circle", 5)
    assert entries[0].metadata == {}


def test_metadata_is_kept(tmp_path: Path) -> None:
    line = json.dumps(GOOD | {"metadata": {"checkpoint": "abc"}})
    assert read_manifest(write(tmp_path, line))[0].metadata == {"checkpoint": "abc"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "3"}, "field 'seed' is '3'; it must be an integer"),
        ({"seed": True}, "field 'seed' is True"),
        ({"fps": 0}, "field 'fps' is 0; it must be a number above 0"),
        ({"fps": "8"}, "field 'fps' is '8'"),
        ({"fps": float("nan")}, "field 'fps' is nan"),
        ({"prompt": None}, "field 'prompt' is None; it must be a text"),
        ({"cell": " "}, "field 'cell' is ' '; it must be a text that is not empty"),
        ({"metadata": []}, r"field 'metadata' is \[\]; it must be an object"),
        ({"video": "b.mkv"}, "field 'video' is 'b.mkv'; there is no such file"),
        ({"sead": 3}, "field 'sead' is unknown; allowed: video, prompt, seed, cell, fps, metadata"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: {message}"):
        read_manifest(write(tmp_path, json.dumps(GOOD), json.dumps({**GOOD, "seed": 4, **change})))


@pytest.mark.parametrize("field", sorted(GOOD))
def test_missing_fields_are_named(tmp_path: Path, field: str) -> None:
    line = json.dumps({name: value for name, value in GOOD.items() if name != field})
    with pytest.raises(ValueError, match=f"line 1: field '{field}' is missing; it must be"):
        read_manifest(write(tmp_path, line))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "line 1: not JSON"),
        (["[1]"], r"line 1: \[1\] is not an object; allowed: fields video, prompt"),
        ([""], "no video is listed"),
        (
            [json.dumps(GOOD), json.dumps(GOOD)],
            r"line 2: cell, prompt, seed \(and training_seed\) are those of line 1; allowed: once each",
        ),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_manifest(write(tmp_path, *lines))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.jsonl: there is no such manifest"):
        read_manifest(tmp_path / "nothing.jsonl")


def test_a_cell_may_hold_several_trained_models(tmp_path: Path) -> None:
    lines = [json.dumps(GOOD | {"metadata": {"training_seed": seed}}) for seed in (0, 1)]
    assert [entry.identity[-1] for entry in read_manifest(write(tmp_path, *lines))] == ["0", "1"]
    with pytest.raises(ValueError, match="line 3: "):
        read_manifest(write(tmp_path, *lines, lines[1]))
