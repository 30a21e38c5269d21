from pathlib import Path

import pytest

from reward_forcing.composition.places import ROOT, groups, options, shipped


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
