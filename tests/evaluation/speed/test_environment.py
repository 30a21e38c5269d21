"""What was measured alike may be compared, and nothing else."""

import subprocess
from pathlib import Path

import pytest
import torch

from evaluation.speed import environment
from evaluation.speed.environment import (
    attention,
    code,
    differences,
    digest,
    driver,
    load,
    machine,
    processor,
    refuse,
)

KEYS = {"device", "threads", "platform", "driver", "cuda", "torch", "python", "code"}


def test_a_machine_is_told_in_plain_values() -> None:
    found = machine()
    assert found.keys() == KEYS
    assert found["threads"] == torch.get_num_threads()
    assert found["torch"] == torch.__version__
    assert (found["driver"], found["cuda"]) == ("none", "none")
    assert all(isinstance(value, str | int) and value for value in found.values())
    assert machine() == found


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU 9000\nflags\t: fpu\n")
    assert processor(tmp_path / "cpuinfo") == "Some CPU 9000"
    assert processor(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build", "580.82.07"),
        ("something else", "unknown"),
    ],
)
def test_the_driver_is_read_from_the_kernel(line: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "version").write_text(line)
    assert driver(tmp_path / "version") == version
    assert driver(tmp_path / "nowhere") == "unknown"


def test_the_code_is_told_by_version_commit_and_sources() -> None:
    told = code()
    assert "sources " in told
    root = environment.PACKAGE.parents[1]
    if (root / ".git").exists():
        asked = ["git", "rev-parse", "--short=12", "HEAD"]
        commit = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
        assert f" at {commit}" in told


def test_changed_sources_are_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    before = code.__wrapped__()
    (tmp_path / "a.py").write_text("x = 2\n")
    assert code.__wrapped__() != before
    assert " at " not in before, "no checkout"


def test_the_attention_kernel_is_the_one_torch_would_take() -> None:
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert attention("cpu", torch.float32, 16) == "math"
    assert attention("cpu", torch.float32, 16) in {"flash_attention", "math"}


def test_the_load_is_a_number() -> None:
    assert load() >= 0


def test_a_digest_does_not_depend_on_the_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
    assert len(digest({})) == 16


def test_differences_by_hand() -> None:
    one = {"threads": 2, "torch": "2.15", "levels": (1.0, 0.5), "sink": "ema"}
    assert differences(one, dict(one)) == []
    assert differences(one, one | {"levels": [1.0, 0.5]}) == [], "as it is read back from JSON"
    assert differences(one, one | {"threads": 4, "torch": "2.11"}) == ["threads (2, 4)", "torch (2.15, 2.11)"]
    assert differences(one, {"threads": 2}) == [], "what one of them does not know"
    assert differences(one, one | {"threads": 4, "sink": "none"}, ["sink"]) == ["sink (ema, none)"]


def test_rows_that_differ_are_refused_by_name() -> None:
    rows = {"a": {"threads": 2}, "b": {"threads": 2}, "c": {"threads": 4}}
    message = r"speed: a and c differ in threads \(2, 4\)\. Such rows are not comparable; --force"
    with pytest.raises(ValueError, match=message):
        refuse(rows)
    assert refuse(rows, force=True) == ["a and c differ in threads (2, 4)"]
    assert refuse({"a": {"threads": 2}}) == refuse({}) == []
