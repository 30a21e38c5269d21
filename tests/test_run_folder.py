import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.run_folder import RunFolder, RunSettings, changes, flatten

GOOD: dict[str, Any] = {"name": "x", "seed": 0, "max_steps": 1, "run_dir": "runs/x", "resume": "never"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", -1, "seed is -1"),
        ("max_steps", 0, "trainer.max_steps is 0"),
        ("name", "  ", "name is empty"),
        ("run_dir", "", "run_dir is empty"),
        ("resume", "", "resume is empty"),
    ],
)
def test_settings_out_of_range(key: str, value: Any, message: str) -> None:
    RunSettings(**GOOD)
    with pytest.raises(ValueError, match=message):
        RunSettings(**{**GOOD, key: value})


def fill(folder: Path) -> RunFolder:
    (folder / "checkpoints").mkdir(parents=True)
    run = RunFolder(folder)
    run.last.write_text("weights")
    return run


def test_a_fresh_folder_starts_afresh(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "new")
    assert run.checkpoint("never") is None
    assert run.checkpoint("auto") is None
    assert run.finished_steps == 0


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    run = fill(tmp_path / "used")
    with pytest.raises(ValueError, match=r"run_dir is .*used, which is not empty; allowed: resume=auto"):
        run.checkpoint("never")
    assert run.checkpoint("auto") == run.last


def test_a_checkpoint_of_another_run(tmp_path: Path) -> None:
    run, other = RunFolder(tmp_path / "new"), fill(tmp_path / "used")
    assert run.checkpoint(str(other.last)) == other.last
    assert run.checkpoint(str(other.path)) == other.last
    assert other.checkpoint(str(other.last)) == other.last
    with pytest.raises(ValueError, match=r"resume is .*nowhere; allowed: never, auto"):
        run.checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="needs another run_dir"):
        fill(tmp_path / "third").checkpoint(str(other.last))


def test_finished_steps(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.summary.write_text(json.dumps({"steps": 12}))
    assert run.finished_steps == 12


def test_changes_are_told_but_for_what_is_free() -> None:
    before = {"seed": 0, "sink": {"decay": 0.9}, "trainer": {"max_steps": 4}, "run_dir": "a", "old": 1}
    after = {"seed": 0, "sink": {"decay": 0.8}, "trainer": {"max_steps": 8}, "run_dir": "b", "new": [1]}
    assert changes(before, after) == ["sink.decay: 0.9 -> 0.8", "old: 1 -> absent", "new: absent -> [1]"]
    assert changes(before, before) == []


leaves = st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
keys = st.text("abc", min_size=1, max_size=2)
trees = st.recursive(
    st.dictionaries(keys, leaves, max_size=3), lambda inner: st.dictionaries(keys, inner | leaves, max_size=3)
)


@given(trees)
def test_flat_keys_lead_to_the_leaves(tree: dict[str, Any]) -> None:
    for key, value in flatten(tree).items():
        node: Any = tree
        for part in key.split("."):
            node = node[part]
        assert node == value
