"""A copy of VBench is found wherever it is, and never imported."""

import sys
from pathlib import Path

import pytest

from evaluation.vbench.source import INFO, find_copy
from tests.evaluation.vbench.vbench_copy import ENTRIES, write_clone, write_package, write_wheel


def test_an_installed_copy_is_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path)
    (tmp_path / "vbench-0.1.5.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: vbench\nVersion: 0.1.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_copy()
    assert (found.place, found.version) == (str(tmp_path), "0.1.5")
    assert found.has(INFO)
    assert "vbench" not in sys.modules


def test_without_an_installed_copy_it_says_how_to_get_one() -> None:
    with pytest.raises(ValueError, match=r"no copy is installed here; get a copy by `pip download --no-deps vbench"):
        find_copy()


@pytest.mark.parametrize("inside", ["", "vbench"])
def test_a_clone_by_either_folder(tmp_path: Path, inside: str) -> None:
    found = find_copy(write_clone(tmp_path) / inside)
    assert (found.place, found.version) == (str(tmp_path), "unknown")


def test_a_folder_of_packages_knows_its_version(tmp_path: Path) -> None:
    assert find_copy(write_package(tmp_path)).version == "0.1.5"


def test_a_downloaded_package_is_read_as_it_is(tmp_path: Path) -> None:
    found = find_copy(write_wheel(tmp_path / "vbench-0.1.5-py3-none-any.whl"))
    assert found.version == "0.1.5"
    assert found.text(INFO).count("prompt_en") == len(ENTRIES)
    assert found.files("prompts", ".txt") == []
    assert found.files("vbench", ".json") == [INFO]


def test_files_below_a_folder(tmp_path: Path) -> None:
    found = find_copy(write_clone(tmp_path)).files("prompts", ".txt")
    assert len(found) == 4
    assert found == sorted(found)


def test_what_the_package_lacks_is_in_clones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no prompts/all_dimension.txt; the package on the registry lacks"):
        find_copy(write_package(tmp_path)).text("prompts/all_dimension.txt")


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere", "nowhere is not there; get a copy"), ("empty", "empty holds no vbench/"), ("file", "is no package")],
)
def test_what_is_no_copy_is_refused(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("?")
    with pytest.raises(ValueError, match=message):
        find_copy(tmp_path / path)
