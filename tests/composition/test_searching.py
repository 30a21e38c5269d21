"""The option `--config-dir`: folders are searched from the moment it is read."""

import argparse
from pathlib import Path

import pytest

from reward_forcing.composition.places import SEARCHED, own_folders
from reward_forcing.composition.searching import add_config_dir


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    monkeypatch.setenv(SEARCHED, "")
    made = argparse.ArgumentParser()
    add_config_dir(made)
    return made


def test_folders_are_searched_and_leave_nothing_in_the_arguments(
    parser: argparse.ArgumentParser, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    assert not vars(parser.parse_args(["--config-dir", str(tmp_path), "--config-dir", str(tmp_path / "other")]))
    assert own_folders() == [tmp_path, tmp_path / "other"]


def test_a_folder_that_is_not_there_is_refused(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["--config-dir", "nowhere"])
    assert "argument --config-dir: 'nowhere' is no folder" in capsys.readouterr().err
    assert own_folders() == []
