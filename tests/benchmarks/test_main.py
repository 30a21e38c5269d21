"""`python -m benchmarks`: parts are chosen, measured one after the other, and written as soon as they are done."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.__main__ import GROUPS, ON_CPU, ON_GPU, alive, chosen, main, run
from benchmarks.common import Part

CPU = torch.device("cpu")


def fine(size: int = 100) -> Mapping[str, Any]:
    return {"size": size}


def broken() -> Mapping[str, Any]:
    raise RuntimeError("no memory left")


def interrupted() -> Mapping[str, Any]:
    raise KeyboardInterrupt


def test_a_part_is_written_and_shown_as_soon_as_it_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one": Part(fine, {"size": 1}), "two": Part(fine)}, CPU, tmp_path) == 0
    assert json.loads((tmp_path / "one.json").read_text())["measured"]["size"] == 100
    said = capsys.readouterr()
    assert "[1/2] one\n[2/2] two\n" in said.err
    assert "| size | 100 |" in said.out


def test_a_short_run_is_a_small_one(tmp_path: Path) -> None:
    assert run({"one": Part(fine, {"size": 1})}, CPU, tmp_path, short=True) == 0
    assert json.loads((tmp_path / "one.json").read_text())["measured"]["size"] == 1


def test_a_part_that_fails_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one": Part(broken), "two": Part(fine)}, CPU, tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two.json"]
    assert "one failed, the others go on\nTraceback" in (said := capsys.readouterr().err)
    assert "RuntimeError: no memory left" in said


def test_an_interruption_keeps_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one": Part(fine), "two": Part(interrupted), "three": Part(fine)}, CPU, tmp_path) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]
    assert f"interrupted in two; what was done before is in {tmp_path}" in capsys.readouterr().err


def test_signs_of_life(capsys: pytest.CaptureFixture[str]) -> None:
    with alive("one", every=0.01):
        time.sleep(0.2)
    assert "      one: 0 s so far\n" in capsys.readouterr().err


def test_parts_are_chosen_by_their_own_names_and_by_their_groups() -> None:
    assert chosen(["cpu"]) == (ON_CPU, CPU)
    assert [*chosen(["guards", "ratios"])[0]] == ["guards", "ratios"]


def test_no_name_is_taken_twice() -> None:
    names = [*GROUPS, "tables", "latency", *ON_CPU, *ON_GPU]
    assert len(set(names)) == len(names)
    assert all(name.startswith("gpu_") for name in ON_GPU)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["tpu"], "tpu is given; allowed: cpu, gpu, ratios, "),
        (["ratios", "gpu_memory"], "ratios, gpu_memory are given; allowed: parts of one device at a time"),
    ],
)
def test_other_words_are_refused(names: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(names) == 2
    assert capsys.readouterr().err.startswith(f"benchmarks: {said}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu"]) == 2
    assert capsys.readouterr().err == "benchmarks: there is no NVIDIA GPU here; `make bench` measures what a CPU can\n"


def test_results_of_a_real_part_go_where_they_are_asked_for(tmp_path: Path) -> None:
    assert main(["ratios", "--short", "--out", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "ratios.json").read_text())
    assert told["measured"]["late_to_early_chunk_bytes"] == 1
    assert told["environment"]["threads"] == 1
