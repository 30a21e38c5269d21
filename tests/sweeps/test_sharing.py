"""Runs are found by their hash wherever they lie, and taken over as links."""

import json
from pathlib import Path

from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.sharing import Sharing, identity_of, in_use, known_runs, link, same_run


def begin(folder: Path, identity: str, *, finished: bool = False) -> RunFolder:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    run.progress.write_text(json.dumps({"config_hash": identity, "step": 1}))
    if finished:
        run.summary.write_text(json.dumps({"steps": 2}))
    return run


def test_finished_runs_are_looked_for_beside_the_sweep_or_where_is_said() -> None:
    assert Sharing().folders(Path("runs/sweep")) == [Path("runs")]
    assert Sharing(reuse=[]).folders(Path("runs/sweep")) == []
    assert Sharing(reuse=["a", "b"]).folders(Path("runs/sweep")) == [Path("a"), Path("b")]


def test_runs_are_known_by_their_hash_once(tmp_path: Path) -> None:
    one, other = begin(tmp_path / "one", "1"), begin(tmp_path / "sweep/cells/other", "2")
    begin(tmp_path / "a/b/c/d", "3")
    link(tmp_path / "sweep/link", one.path)
    assert known_runs([tmp_path, tmp_path]) == {"1": [one], "2": [other]}
    assert identity_of(RunFolder(tmp_path / "nothing")) == ""


def test_a_finished_run_elsewhere_or_a_begun_one_here_will_do(tmp_path: Path) -> None:
    own = tmp_path / "sweep/new"
    begin(tmp_path / "other/begun", "1")
    begin(tmp_path / "other/finished", "2", finished=True)
    begun = begin(tmp_path / "sweep/old", "3")
    elsewhere, here = known_runs([tmp_path]), known_runs([tmp_path / "sweep"])
    assert same_run(own, "1", elsewhere, here) is None, "somebody else may be at it"
    assert same_run(own, "2", elsewhere, here) == (tmp_path / "other/finished").resolve()
    assert same_run(own, "3", elsewhere, here) == begun.path.resolve()
    assert same_run(begun.path, "3", elsewhere, here) is None, "it is the run itself"
    assert same_run(own, "4", elsewhere, here) is None


def test_a_link_replaces_links_and_empty_folders_only(tmp_path: Path) -> None:
    first, second = begin(tmp_path / "first", "1"), begin(tmp_path / "second", "2")
    own = tmp_path / "sweep/own"
    own.mkdir(parents=True)
    assert not in_use(own)
    for run in (first, second):
        link(own, run.path)
        assert own.resolve() == run.path.resolve()
        assert not own.readlink().is_absolute(), "a folder of runs can be moved as a whole"
        assert not in_use(own)
    assert in_use(first.path)
