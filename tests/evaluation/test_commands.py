"""The actions of `reward-forcing evaluation`, as the command line calls them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.commands import ACTIONS
from evaluation.manifest import read_manifest
from evaluation.table import to_json
from evaluation.vbench.results import DimensionResult, write_results
from evaluation.vbench.totals import DIMENSIONS
from reward_forcing import cli
from reward_forcing.evaluation_arguments import LAYOUTS
from reward_forcing.schedules import read_schedules
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.made import record
from tests.evaluation.vbench.standin import write_interpreter
from tests.evaluation.vbench.vbench_copy import LONGER, PROMPTS, write_clone

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an action; what it said, where it did not fail."""

    def call(*words: object, status: int = 0) -> str:
        assert cli.main(["evaluation", *map(str, words)]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return call


def make(folder: Path, *names: str) -> Path:
    for name in names:
        write_clip(folder / name, Clip(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), 8))
    return folder


def test_every_action_has_arguments() -> None:
    from reward_forcing.arguments import parser
    from tests.test_arguments import subparsers

    known = {name.split()[1] for name in subparsers(parser()) if name.startswith("evaluation ")}
    assert known == set(ACTIONS)
    assert LAYOUTS[0] == "plain"


def test_a_folder_becomes_a_manifest_and_back(tmp_path: Path, run: Run) -> None:
    mine = make(tmp_path / "mine", "a fox-0.mp4", "a fox-1.mp4", "a bear-0.mp4")
    assert run("import", mine) == f"3 videos, 2 prompts: {mine / 'manifest.jsonl'}\n"
    assert run("export", mine / "manifest.jsonl", tmp_path / "out") == f"3 videos: {tmp_path / 'out/manifest.jsonl'}\n"
    said = run("export", mine / "manifest.jsonl", tmp_path / "official", "--layout", "official")
    assert said.startswith(f"3 videos in VBench's layout: {tmp_path / 'official/videos'}; their true seeds: ")
    said = run("import", tmp_path / "official/videos", "--layout", "official", "--cell", "mine")
    beside = tmp_path / "official/videos.manifest.jsonl"
    assert str(beside) in said
    assert [e.key for e in read_manifest(beside)] == sorted(e.key for e in read_manifest(mine / "manifest.jsonl"))


def test_several_folders_are_several_cells(tmp_path: Path, run: Run) -> None:
    folders = [make(tmp_path / name, "a fox-0.mp4") for name in ("mine", "theirs")]
    assert "give --out, and no --cell" in run("import", *folders, status=2)
    run("import", *folders, "--out", tmp_path / "both.jsonl")
    assert [entry.cell for entry in read_manifest(tmp_path / "both.jsonl")] == ["mine", "theirs"]
    said = run("export", tmp_path / "both.jsonl", tmp_path / "out", "--layout", "official", status=2)
    assert "name one (--cell): mine, theirs" in said
    run("export", tmp_path / "both.jsonl", tmp_path / "out", "--cell", "theirs")
    assert [entry.cell for entry in read_manifest(tmp_path / "out/manifest.jsonl")] == ["theirs"]


def test_what_is_left_out_and_missing_is_told(tmp_path: Path, run: Run) -> None:
    mine = make(tmp_path / "mine", "a meadow-0.mp4", *(f"x{i}-0.mp4" for i in range(7)))
    said = run("import", mine, "--layout", "official", "--vbench", write_clone(tmp_path / "clone"))
    assert said.count("left out: 'x") == 5
    assert "  and 2 more\n" in said
    assert "VBench looks for 14 videos that are not there" in said
    assert "1 videos, 1 prompts" in said
    assert "no copy is installed here" in run("import", mine, "--vbench", status=2)


def test_rewritten_prompts_from_the_suite_to_official_names(tmp_path: Path, run: Run) -> None:
    clone = write_clone(tmp_path / "clone")
    wanted = ["--vbench", clone, "--rewritten", "all_dimension_aug_wanx", "--samples", 2]
    said = run("prompts", tmp_path / "lists/p.jsonl", *wanted, "--dimensions", "color", "temporal_flickering")
    assert said.startswith("vbench/color+temporal_flickering/all_dimension_aug_wanx, 2 prompts, sha256 ")
    planned = read_schedules(tmp_path / "lists/p.jsonl")
    assert [(video.prompt, video.seed) for video in planned] == [(LONGER[i], seed) for i in (0, 1) for seed in (0, 1)]
    (tmp_path / "told.txt").write_text("\n".join(video.prompt for video in planned))
    made = make(tmp_path / "made", *(f"{i}.mp4" for i in "abcd"))
    run("import", made, "--prompts", tmp_path / "told.txt")
    run("export", made / "manifest.jsonl", tmp_path / "out", "--layout", "official", *wanted)
    names = sorted(path.stem for path in (tmp_path / "out/videos").iterdir())
    assert names == sorted(f"{prompt}-{i}" for prompt in PROMPTS[:2] for i in range(2))


def test_the_official_package(tmp_path: Path, run: Run) -> None:
    program = write_interpreter(tmp_path / "other")
    mine = make(tmp_path / "mine", "a meadow-0.mp4", "a red kite-0.mp4")
    run("import", mine)
    wanted = ["official", mine / "manifest.jsonl", "--python", program, "--device", "cpu", "--dimensions"]
    said = run(*wanted, "imaging_quality", "color")
    assert said.startswith(
        f"vbench 0.1.5, Python {'.'.join(map(str, __import__('sys').version_info[:3]))}: {program}\n"
    )
    assert "color: skipped: exit status 1" in said
    assert "Quality: partial (1 of 7)" in said
    assert run("totals", mine / "vbench/mine").splitlines()[1:] == said.splitlines()[-len(DIMENSIONS) :][-4:]
    assert "no dimension was scored; the logs are in" in run(*wanted, "color", status=2)
    assert "is no program" in run("official", mine / "manifest.jsonl", "--python", "/nowhere/python", status=2)


def whole(folder: Path, **changed: float) -> Path:
    values = dict.fromkeys(DIMENSIONS, 0.5) | changed
    for name, value in values.items():
        write_results(folder / f"{name}_eval_results.json", {name: DimensionResult(value)})
    return folder


def test_totals_of_files_and_folders(tmp_path: Path, run: Run) -> None:
    one, two = whole(tmp_path / "one"), whole(tmp_path / "two", scene=0.8222)
    said = run("totals", one, two)
    totals = [float(line.split()[1]) for line in said.splitlines() if line.startswith("  Total")]
    assert totals[1] - totals[0] == pytest.approx(100 * (1 - 0.5 / 0.8222) / 9 / 5, abs=0.011)
    files = sorted(one.iterdir())
    assert run("totals", *files).splitlines()[1:] == run("totals", one).splitlines()[1:]
    assert "partial (0 of 7)" in run("totals", one / "scene_eval_results.json")
    assert "no result file of VBench is there" in run("totals", tmp_path / "nowhere", status=2)


def test_totals_of_our_own_results(tmp_path: Path, run: Run) -> None:
    records = [record(cell, 0, {"subject_consistency": 0.9}) for cell in ("ema", "none")]
    content: dict[str, Any] = {"schema": "reward-forcing/results/1", "videos": [to_json(r) for r in records]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    said = run("totals", tmp_path)
    assert said == run("totals", tmp_path / "results.json")
    assert said.count("Quality: partial (1 of 7)") == 2
    assert f"{tmp_path / 'results.json'}, ema (our metrics)" in said


def test_submissions(tmp_path: Path, run: Run) -> None:
    about = ["--sampled-by", "us", "--evaluated-by", "us", "--date", "2026-11-26", "--prompt-set", "vbench/all"]
    about += ["--frames", "81", "--fps", "16", "--height", "480", "--width", "832", "--out", str(tmp_path / "x.zip")]
    assert f"{tmp_path / 'x.zip'}\n  Quality " in run("submit", whole(tmp_path / "one"), *about)
    (tmp_path / "one/scene_eval_results.json").unlink()
    assert "missing: scene" in run("submit", tmp_path / "one", *about, status=2)
