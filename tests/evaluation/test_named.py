"""Names on the command line that stand for code."""

import sys
from pathlib import Path

import pytest

from evaluation.named import load_named, named_fingerprint


def test_modules_in_the_working_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "named_here.py").write_text("def five():\n    return 5\n\nlimit = 3\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    found = load_named("named_here:five", "judge")
    assert found() == 5
    assert sys.path == before
    with pytest.raises(ValueError, match="judge named_here:limit: named_here has no function or class 'limit'"):
        load_named("named_here:limit", "judge")


def test_other_code_has_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    marks = []
    for name, body in (("named_one", "return 1"), ("named_two", "return 2")):
        (tmp_path / f"{name}.py").write_text(f"def make():\n    {body}\n")
        marks.append(named_fingerprint("m:make", load_named(f"{name}:make", "judge")))
    assert marks[0] != marks[1]
    assert all(mark.startswith("m:make sha256:") for mark in marks)
    assert named_fingerprint("m:thing", 5) == "m:thing"


@pytest.mark.parametrize("spec", ["module", "module:", ":function", ""])
def test_names_have_two_parts(spec: str) -> None:
    with pytest.raises(ValueError, match="write package.module:function"):
        load_named(spec, "judge")
