import json
import os
import signal
import time
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.run_folder import RunFolder, RunSettings, flatten
from reward_forcing.safekeeping import aside, point_to, publish

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


def save(run: RunFolder, step: int) -> Path:
    """A checkpoint as training writes it."""
    path = run.last.with_name(f"step={step}.ckpt")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside(path).write_bytes(b"weights after %d" % step)
    publish(path)
    point_to(path, run.last)
    return path


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = RunFolder(tmp_path)
    paths = [save(run, step) for step in (8, 9, 10)]
    assert run.checkpoint("auto") == run.last
    paths[2].write_bytes(b"weights")
    assert run.checkpoint("auto") == paths[1]
    assert "last.ckpt: it is damaged: its SHA-256 is not the one in step=10.ckpt.sha256" in caplog.text
    paths[1].unlink()
    assert run.checkpoint("auto") == paths[0]
    with pytest.raises(ValueError, match=r"resume is .*step=10.ckpt; it is damaged: .*; allowed: an older checkpoint"):
        RunFolder(tmp_path / "new").checkpoint(str(paths[2]))
    paths[0].write_bytes(b"")
    with pytest.raises(ValueError, match="resume is auto, but no checkpoint in .* is whole; allowed: another run_dir="):
        run.checkpoint("auto")


def test_checkpoints_of_a_future_that_was_taken_back_are_not_taken(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (2, 4, 6):
        save(run, step)
    save(run, 3).write_bytes(b"broken")
    found = run.checkpoint("auto")
    assert found is not None
    assert found.name == "step=2.ckpt"


def test_a_link_that_was_not_made_in_time_is_not_missed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    path = save(run, 4)
    run.last.unlink()
    assert run.checkpoint("auto") == path
    run.last.symlink_to("step=6.ckpt")
    assert run.checkpoint("auto") == path


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """The second is told who the first is; when that one has ended, by itself or not, it may go on."""
    run = RunFolder(tmp_path / "run")
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        with run.alone():
            os.write(writing, b"!")
            time.sleep(600)
    os.read(reading, 1)
    told = f"in which another run is writing \\(process {process} on {gethostname()}\\); allowed: another run_dir="
    with pytest.raises(ValueError, match=told), run.alone():
        pass
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert (run.path / ".lock.json").exists(), "a run that is killed cannot tidy up"
    with run.alone():
        assert json.loads((run.path / ".lock.json").read_text())["pid"] == os.getpid()
        assert run.checkpoint("never") is None, "a lock does not make a folder used"
        (run.path / "something").touch()
    assert [path.name for path in run.path.iterdir()] == ["something"]


def test_children_of_a_killed_run_are_waited_for(tmp_path: Path) -> None:
    """Loader processes inherit the lock, and take a while to notice that the run is gone."""
    run = RunFolder(tmp_path)
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        with run.alone():
            if not os.fork():
                os.write(writing, b"!")
                time.sleep(1)
                os._exit(0)
            time.sleep(600)
    os.read(reading, 1)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with run.alone():
        pass


def test_a_folder_of_which_nothing_comes_is_not_left_behind(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.alone():
        assert run.path.is_dir()
    assert not run.path.exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=r"run_dir is .*file/run, where nothing can be written: "),
        RunFolder(tmp_path / "file/run").alone(),
    ):
        pass
