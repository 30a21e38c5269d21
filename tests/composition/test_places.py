import os
from pathlib import Path

import pytest

from reward_forcing.composition.places import ROOT, SEARCHED, files, groups, options, own_folders, search, shipped


def test_the_root_holds_configs_and_experiments() -> None:
    assert (ROOT / "configs" / "train.yaml").is_file()
    assert shipped("experiments").is_dir()
    assert shipped("configs") == ROOT / "configs"


@pytest.mark.parametrize("group", [*groups(), "experiments"])
def test_every_option_says_what_it_is_in_its_first_lines(group: str) -> None:
    found = options(group)
    assert found, f"{group} has no options"
    for option, comment in found.items():
        assert len(comment) > 3, f"{group}/{option}.yaml needs a comment in its first lines"
        assert "\n" not in comment


def test_options_are_the_files() -> None:
    assert list(options("sink")) == sorted(path.stem for path in Path(ROOT / "configs/sink").iterdir())
    assert {"ema", "none", "static"} <= set(options("sink"))
    assert options("no such group") == {}
    folders = {path.name for path in Path(ROOT / "configs").iterdir() if path.is_dir()}
    assert folders - {"hydra"} == set(groups()), "Hydra's own group is not one of ours"


def test_own_folders_are_searched_in_this_process_and_those_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEARCHED, "")
    assert own_folders() == []
    for name in ("first", "second"):
        (tmp_path / name / "sink").mkdir(parents=True)
        (tmp_path / name / "sink" / "mine.yaml").write_text(f"# the {name}\n")
    (tmp_path / "second/sink/ema.yaml").write_text("# not the project's\n")
    monkeypatch.chdir(tmp_path)
    search("first", "second", "first")
    assert own_folders() == [tmp_path / "first", tmp_path / "second"]
    assert os.environ[SEARCHED] == f"{tmp_path}/first{os.pathsep}{tmp_path}/second"
    assert options("sink")["mine"] == "the first"
    assert files("sink")["ema"] == ROOT / "configs/sink/ema.yaml"
    assert list(files("sink")) == sorted(files("sink"))


def test_a_folder_to_search_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEARCHED, "")
    with pytest.raises(ValueError, match="'nowhere' is no folder"):
        search("nowhere")
    assert own_folders() == []
