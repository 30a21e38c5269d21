"""Backends are found by their files, and say what they need."""

from dataclasses import replace
from pathlib import Path

import pytest

from evaluation import backends
from evaluation.backends.backend import Footage, discover
from evaluation.instruments import BUILT_IN
from evaluation.measure import choose

BACKENDS = discover()


def test_every_instrument_that_a_metric_needs_exists() -> None:
    needs = {need for measure in choose(None).values() for need in measure.needs}
    assert needs == {*BUILT_IN, *BACKENDS}


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_say_what_they_need(name: str) -> None:
    backend = BACKENDS[name]
    assert backend.name == name
    assert backend.unimportable() == []
    assert backend.cost(Footage(81, 480, 832, 16)) >= backend.cost(Footage(9, 480, 832, 16)) > 0
    for file in backend.files:
        assert file.licence
        assert file.size > 0
        assert bool(file.repo) == bool(file.repo_file)
        assert file.hint


def test_files_of_one_key_are_one_file() -> None:
    files = [file for backend in BACKENDS.values() for file in backend.files]
    assert len(set(files)) == len({file.key for file in files}) == len({file.names for file in files})


def test_libraries_that_are_not_there_are_named() -> None:
    assert replace(BACKENDS["dino"], libraries=("torch", "no_such_library")).unimportable() == ["no_such_library"]


def test_a_new_file_is_found_and_a_taken_name_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "from evaluation.backends.backend import Backend\n"
        "BACKENDS = (Backend(name={!r}, title='x', files=(), load=len, cost=len),)\n"
    )
    (tmp_path / "zz_backend_for_a_test.py").write_text(text.format("brand_new"))
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    assert list(discover())[-1] == "brand_new"
    (tmp_path / "zz_taken_for_a_test.py").write_text(text.format("dino"))
    with pytest.raises(ValueError, match=r"zz_taken_for_a_test.*'dino' is taken"):
        discover()
