"""The official package in its own interpreter: a real process, a stand-in package, the official files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evaluation.manifest import Entry, read_manifest
from evaluation.vbench import official
from evaluation.vbench.interpreter import Interpreter, find_interpreter, run_logged
from evaluation.vbench.layout import is_case_sensitive
from evaluation.vbench.official import CUSTOM, Outcome, Wish, part_of
from evaluation.vbench.results import read_results, scores
from evaluation.vbench.suites import suite_of
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.vbench.standin import write_interpreter
from tests.evaluation.vbench.vbench_copy import ENTRIES

OVERALL = Wish(dimensions=("overall_consistency", "imaging_quality"), device="cpu")


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    return find_interpreter(str(write_interpreter(tmp_path_factory.mktemp("other"))))


def videos(folder: Path, *wanted: tuple[str, int]) -> list[Entry]:
    found = []
    for i, (prompt, seed) in enumerate(wanted):
        write_clip(folder / f"{i}.mp4", Clip(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), 8))
        found.append(Entry(folder / f"{i}.mp4", prompt, seed, "ema", 8))
    return found


def run(entries: list[Entry], out: Path, interpreter: Interpreter, wish: Wish) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    return official.score(entries, out, interpreter, wish, tell=said.append), said


def test_dimensions_are_scored_and_kept(tmp_path: Path, interpreter: Interpreter) -> None:
    entries = videos(tmp_path, ("a meadow", 30), ("A meadow", 10), ("a meadow", 20), ("a red kite", 0))
    outcome, said = run(entries, tmp_path / "out", interpreter, OVERALL)
    expected = len("a meadow-0.mp4") / 100
    assert outcome.skipped == {}
    assert scores(outcome.results) == pytest.approx({"overall_consistency": expected, "imaging_quality": expected})
    assert said[0] == "overall_consistency: 0.1400 over 3 videos"
    assert read_results([tmp_path / "out/vbench_eval_results.json"]) == outcome.results
    log = (tmp_path / "out/dimensions/imaging_quality/log.txt").read_text()
    assert log == "scoring imaging_quality on cpu, python path \n"
    again, said = run(entries, tmp_path / "out", interpreter, OVERALL)
    assert again == outcome
    assert said[0] == "overall_consistency: 0.1400 over 3 videos (kept)"


def test_what_changed_is_scored_again(tmp_path: Path, interpreter: Interpreter) -> None:
    wish = replace(OVERALL, dimensions=("overall_consistency",))
    run(videos(tmp_path, ("a meadow", 0)), tmp_path / "out", interpreter, wish)
    more = videos(tmp_path, ("a meadow", 0), ("a meadow", 1))
    assert run(more, tmp_path / "out", interpreter, wish)[1] == ["overall_consistency: 0.1400 over 2 videos"]
    newer = replace(interpreter, version="0.1.6")
    assert run(more, tmp_path / "out", newer, wish)[1] == ["overall_consistency: 0.1400 over 2 videos"]
    (tmp_path / "out/dimensions/overall_consistency/vbench_eval_results.json").unlink()
    assert run(more, tmp_path / "out", newer, wish)[1] == ["overall_consistency: 0.1400 over 2 videos"]


def test_an_interrupted_run_goes_on(tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = videos(tmp_path, ("a meadow", 0))

    def stopped(command: list[str], log: Path, seconds: float | None) -> str:
        if "imaging_quality" in str(log):
            raise KeyboardInterrupt
        return run_logged(command, log, seconds)

    with monkeypatch.context() as patched:
        patched.setattr(official, "run_logged", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(entries, tmp_path / "out", interpreter, OVERALL)
    assert run(entries, tmp_path / "out", interpreter, OVERALL)[1] == [
        "overall_consistency: 0.1400 over 1 videos (kept)",
        "imaging_quality: 0.1400 over 1 videos",
    ]


def test_prompts_that_differ_only_in_case(tmp_path: Path, interpreter: Interpreter) -> None:
    """The suite has such a pair; where the file system tells them apart, both are scored."""
    entries = videos(tmp_path, ("a meadow", 0), ("A meadow", 0))
    if not is_case_sensitive(tmp_path):
        with pytest.raises(ValueError, match="differ only in case"):
            run(entries, tmp_path / "out", interpreter, OVERALL)
        return
    outcome, _ = run(entries, tmp_path / "out", interpreter, OVERALL)
    names = [video.name for video in outcome.results["overall_consistency"].videos]
    assert names == ["a meadow-0.mp4", "A meadow-0.mp4"]


def test_a_prompt_that_occurs_twice_serves_both(tmp_path: Path, interpreter: Interpreter) -> None:
    entries = videos(tmp_path, ("a harbour, oil painting", 3))
    wish = replace(OVERALL, dimensions=("overall_consistency",))
    outcome, _ = run(entries, tmp_path / "out", interpreter, wish)
    assert len(outcome.results["overall_consistency"].videos) == 1
    known = json.loads((tmp_path / "out/full_info.json").read_text())
    assert known == [entry for entry in ENTRIES if entry["prompt_en"] == "a harbour, oil painting"]


def test_lossless_videos_are_encoded(tmp_path: Path, interpreter: Interpreter) -> None:
    write_clip(tmp_path / "x.mkv", Clip(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), 8))
    entries = [Entry(tmp_path / "x.mkv", "a meadow", 0, "ema", 8)]
    with pytest.raises(ValueError, match=r"x.mkv and 0 others are no MP4.*--encode"):
        run(entries, tmp_path / "out", interpreter, OVERALL)
    wish = replace(OVERALL, encode=True)
    assert run(entries, tmp_path / "out", interpreter, wish)[0].skipped == {}
    assert run(entries, tmp_path / "out", interpreter, wish)[1][0].endswith("(kept)"), "and not encoded again"


def test_failures_are_skipped_and_never_zero(tmp_path: Path, interpreter: Interpreter) -> None:
    entries = videos(tmp_path, ("a meadow", 0), ("a red kite", 0), ("a harbour, oil painting", 0))
    wanted = ("color", "aesthetic_quality", "appearance_style", "scene", "overall_consistency")
    wish = Wish(dimensions=wanted, device="cpu", seconds=3)
    outcome, said = run(entries, tmp_path / "out", interpreter, wish)
    assert list(outcome.results) == ["overall_consistency"]
    assert list(outcome.skipped) == list(wanted[:-1])
    assert "(this dimension needs detectron2" in outcome.skipped["color"]
    assert outcome.skipped["color"].endswith("RuntimeError: No module named 'detectron2'")
    assert "it wrote no result that can be read" in outcome.skipped["aesthetic_quality"]
    assert "the overall score is nan" in outcome.skipped["aesthetic_quality"]
    assert outcome.skipped["appearance_style"].startswith("it took longer than 3 s (--timeout)")
    assert outcome.skipped["scene"] == "none of its 0 prompts has a video"
    assert said[0] == f"color: skipped: {outcome.skipped['color']}"
    [about] = json.loads((tmp_path / "out/vbench_provenance.json").read_text())
    assert about["skipped"] == outcome.skipped


def test_results_say_where_they_are_from(tmp_path: Path, interpreter: Interpreter) -> None:
    run(videos(tmp_path, ("a meadow", 7), ("a red kite", 0)), tmp_path / "out", interpreter, OVERALL)
    [about] = json.loads((tmp_path / "out/vbench_provenance.json").read_text())
    assert (about["backend"], about["vbench"], about["mode"]) == ("official", "0.1.5", "standard")
    assert about["coverage"]["imaging_quality"] == {"videos": 1, "prompts": 1, "of": 3}
    with (tmp_path / "out/vbench_per_video.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "cell": "ema",
        "prompt": "a meadow",
        "seed": "7",
        "video": "a meadow-0.mp4",
        "dimension": "imaging_quality",
        "score": "0.14",
    }
    assert read_manifest(tmp_path / "out/manifest.jsonl")[0].key == ("ema", "a meadow", 7)


def test_any_prompts_on_six_dimensions(tmp_path: Path, interpreter: Interpreter) -> None:
    entries = videos(tmp_path, ("a prompt / that is no file name" * 20, 0), ("another", 3))
    wish = Wish(dimensions=("motion_smoothness",), mode="custom", device="cpu")
    outcome, _ = run(entries, tmp_path / "out", interpreter, wish)
    assert [video.name for video in outcome.results["motion_smoothness"].videos] == [
        "video 00000-0.mp4",
        "video 00001-0.mp4",
    ]
    info = json.loads((tmp_path / "out/dimensions/motion_smoothness/vbench_full_info.json").read_text())
    assert [entry["prompt_en"] for entry in info] == [entry.prompt for entry in entries]


def test_prompts_of_others_are_refused_early(tmp_path: Path, interpreter: Interpreter) -> None:
    entries = videos(tmp_path, ("a castle", 0))
    with pytest.raises(ValueError, match=r"no prompt is of VBench's suite, for instance 'a castle'.*--mode custom"):
        run(entries, tmp_path / "out", interpreter, OVERALL)
    assert not (tmp_path / "out").exists()
    short = {"a castle": "a meadow"}
    outcome = official.score(entries, tmp_path / "out", interpreter, OVERALL, short=short)
    assert outcome.results["overall_consistency"].videos[0].name == "a meadow-0.mp4"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (
            {"dimensions": ("colour",)},
            "dimension 'colour' is not scored in mode standard; allowed: subject_consistency",
        ),
        ({"dimensions": ("scene",), "mode": "custom"}, f"in mode custom; allowed: {', '.join(CUSTOM)}"),
    ],
)
def test_dimensions_that_a_mode_has_not(wish: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wish(**wish)  # type: ignore[arg-type]


def test_videos_of_a_dimension(tmp_path: Path) -> None:
    suite = suite_of(json.dumps(ENTRIES), "x")
    samples = official.named(videos(tmp_path, ("a red kite", 0), ("a castle", 0)))
    assert [s.prompt for s in part_of("color", samples, suite, "standard").samples] == ["a red kite"]
    assert len(part_of("color", samples, suite, "custom").samples) == 2
