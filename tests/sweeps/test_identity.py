"""The hash tells runs apart by what decides their outcome, and by nothing else."""

import copy
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.sweeps.identity import ALIKE, DIGITS, WITHOUT_EFFECT, config_hash, content


def config(folder: Path, run: str = "runs/a") -> dict[str, Any]:
    return {
        "name": "one",
        "seed": 0,
        "run_dir": run,
        "sink": {"frames": 3, "decay": 0.9},
        "data": {"batch_size": 8, "workers": 0},
        "module": {"student": {"source": str(folder / "student.safetensors")}, "lessons": [{"frames": 2}]},
        "callbacks": {
            "guards": {"folder": f"{run}/faults", "largest": 5},
            "checkpoints": {"every": 2},
            "student_ema": {"decay": 0.95},
        },
        "trainer": {"max_steps": 4, "precision": "32-true", "default_root_dir": run},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    return tmp_path


def reversed_keys(tree: Any) -> Any:
    return {key: reversed_keys(tree[key]) for key in reversed(tree)} if isinstance(tree, dict) else tree


def test_the_order_of_keys_and_the_folder_of_the_run_do_not_matter(folder: Path) -> None:
    expected = config_hash(config(folder))
    assert len(expected) == DIGITS
    assert config_hash(reversed_keys(config(folder))) == expected
    assert config_hash(config(folder, run="/elsewhere/b")) == expected


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_what_does_not_change_the_outcome_does_not_change_the_hash(key: str, folder: Path) -> None:
    changed = config(folder)
    *parents, last = key.split(".")
    node = changed
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = "something else"
    if key != "run_dir":  # which others refer to
        assert config_hash(changed) == config_hash(config(folder))


@pytest.mark.parametrize("key", ALIKE)
def test_some_keys_may_have_any_value(key: str, folder: Path) -> None:
    changed, (parent, last) = config(folder), key.split(".")
    changed[parent][last] = 4
    assert config_hash(changed) == config_hash(config(folder))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("seed",), 1),
        (("sink", "decay"), 0.8),
        (("data", "batch_size"), 4),
        (("trainer", "max_steps"), 5),
        (("callbacks", "student_ema", "decay"), 0.5),
        (("callbacks", "guards", "largest"), 6),
        (("module", "lessons"), [{"frames": 4}]),
        (("extra",), None),
    ],
)
def test_everything_else_does(place: tuple[str, ...], value: Any, folder: Path) -> None:
    changed = copy.deepcopy(config(folder))
    node = changed
    for name in place[:-1]:
        node = node[name]
    node[place[-1]] = value
    assert config_hash(changed) != config_hash(config(folder))


def test_a_file_counts_by_its_name_and_content(folder: Path) -> None:
    moved = folder / "moved"
    moved.mkdir()
    (moved / "student.safetensors").write_bytes(b"weights")
    assert config_hash(config(moved)) == config_hash(config(folder))
    before = config_hash(config(moved))
    (moved / "student.safetensors").write_bytes(b"others!")
    assert config_hash(config(moved)) != before


def test_a_folder_counts_by_what_is_in_it(tmp_path: Path) -> None:
    for name in ("a/weights", "b/weights"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "part.bin").write_bytes(b"12345")
    assert content(tmp_path / "a/weights") == content(tmp_path / "b/weights")
    (tmp_path / "b/weights/more.bin").touch()
    assert content(tmp_path / "a/weights") != content(tmp_path / "b/weights")
    assert content(tmp_path / "nowhere") == ""
