"""Result files of VBench: read as others write them, written as the leaderboard's tool reads them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evaluation.vbench.results import (
    DimensionResult,
    Provenance,
    VideoResult,
    read_results,
    scores,
    video_scores,
    write_provenance,
    write_results,
    write_submission,
)
from evaluation.vbench.totals import DIMENSIONS

OFFICIAL: dict[str, list[Any]] = {
    "dynamic_degree": [
        0.5,
        [
            {"video_path": "/data/x/a bird-0.mp4", "video_results": True},
            {"video_path": "/data/x/a bird-1.mp4", "video_results": False},
        ],
    ],
    "imaging_quality": [0.6938, [{"video_path": "C:\\x\\a bird-0.mp4", "video_results": 69.38}]],
    "background_consistency": [
        0.97,
        [{"video_path": "a bird-0.mp4", "video_results": 0.97, "video_sim": 77.6, "cnt_per_video": 80}],
    ],
}
LONG: dict[str, list[Any]] = {
    "aesthetic_quality": [
        0.55,
        [
            {"video_path": "x/split_clip/a-0/a-0_000.mp4", "video_results": 0.5},
            {"video_path": "x/split_clip/a-0/a-0_001.mp4", "video_results": 0.6},
        ],
        [{"video_path": "x/split_clip/a-0/a-0.mp4", "video_results": 0.55}, {"long_video_cnt": 1}],
    ]
}
PROVENANCE = Provenance(
    sampled_by="us",
    evaluated_by="us",
    date="2026-11-26",
    frames=81,
    fps=16,
    height=480,
    width=832,
    prompt_set="vbench 3f2a",
    more={"backend": "official"},
)


def leaderboard(folder: Path) -> dict[str, float]:
    """What the leaderboard's tool does with a folder of files (or folders of files), in our words."""
    found: dict[str, float] = {}
    for file in (file for place in sorted(folder.iterdir()) for file in ([*place.glob("*")] or [place])):
        content = json.loads(file.read_text()) if file.suffix == ".json" else []
        if isinstance(content, dict):
            found |= {key.replace("_", " "): value[0] for key, value in content.items()}
    return {name.replace("_", " "): found.get(name.replace("_", " "), 0) for name in DIMENSIONS}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("content", [OFFICIAL, LONG], ids=["plain", "long"])
def test_what_is_read_is_written_again(tmp_path: Path, content: dict[str, list[Any]]) -> None:
    write_results(tmp_path / "again.json", read_results([write(tmp_path / "x_eval_results.json", content)]))
    assert json.loads((tmp_path / "again.json").read_text()) == content


def test_scores_have_one_scale_and_names_no_machine(tmp_path: Path) -> None:
    found = read_results([write(tmp_path / "x.json", OFFICIAL)])
    assert scores(found) == {"dynamic_degree": 0.5, "imaging_quality": 0.6938, "background_consistency": 0.97}
    of = {dimension: video_scores(dimension, result) for dimension, result in found.items()}
    assert of["dynamic_degree"] == {"a bird-0.mp4": 1.0, "a bird-1.mp4": 0.0}
    assert of["imaging_quality"] == pytest.approx({"a bird-0.mp4": 0.6938})
    assert found["background_consistency"].videos[0].extras == {"video_sim": 77.6, "cnt_per_video": 80}


def test_imaging_quality_in_percent_or_not(tmp_path: Path) -> None:
    in_percent = read_results([write(tmp_path / "x.json", {"imaging quality": [69.38]})])
    assert scores(in_percent) == pytest.approx({"imaging_quality": 0.6938})
    result = DimensionResult(0.7, (VideoResult("a.mp4", 0.7), VideoResult("b.mp4", 0.3)))
    assert video_scores("imaging_quality", result) == {"a.mp4": 0.7, "b.mp4": 0.3}


def test_clips_of_long_videos_and_their_averages(tmp_path: Path) -> None:
    found = read_results([write(tmp_path / "x.json", LONG)])["aesthetic_quality"]
    assert [video.name for video in found.videos] == ["a-0_000.mp4", "a-0_001.mp4"]
    assert video_scores("aesthetic_quality", found) == {"a-0.mp4": 0.55}


@pytest.mark.parametrize("value", [0.5, [0.5], [0.5, []], [0.5, None]])
def test_lists_may_be_missing(tmp_path: Path, value: object) -> None:
    assert read_results([write(tmp_path / "x.json", {"scene": value})]) == {"scene": DimensionResult(0.5)}


def test_folders_of_files(tmp_path: Path) -> None:
    write(tmp_path / "a_eval_results.json", {"scene": [0.5]})
    write(tmp_path / "b/b_eval_results.json", {"color": [0.8]})
    write(tmp_path / "b/b_full_info.json", [{"prompt_en": "x"}])
    write(tmp_path / "metrics.json", {"schema": "another"})
    assert scores(read_results([tmp_path])) == {"scene": 0.5, "color": 0.8}
    with pytest.raises(ValueError, match="no result file of VBench is there"):
        read_results([tmp_path / "nowhere"])


def test_two_files_must_agree(tmp_path: Path) -> None:
    one, same = (write(tmp_path / f"{name}.json", {"scene": [0.5]}) for name in ("one", "same"))
    assert scores(read_results([one, same])) == {"scene": 0.5}
    other = write(tmp_path / "other.json", {"scene": [0.6]})
    with pytest.raises(ValueError, match=r"other\.json: scene has other results in .*one\.json"):
        read_results([one, other])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "the top level is no object"),
        ({"schema": [0.5]}, "'schema' is no dimension of VBench; allowed: subject_consistency"),
        ({"scene": [None, []]}, "scene: the overall score is None; it must be a number"),
        ({"scene": []}, r"scene: the overall score is \[\]"),
        ({"scene": [float("nan")]}, "scene: the overall score is nan"),
        ({"scene": [51.3]}, r"scene: the overall score is 51.3; scores go from 0 to 1 \(percent: divide by 100\)"),
        ({"scene": [0.5, [{"video_path": "a.mp4"}]]}, "scene: .*a.mp4.* is no record of a video"),
        ({"scene": [0.5, ["a.mp4"]]}, "scene: a.mp4 is no record of a video; it needs video_path and video_results"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"x.json.*{message}"):
        read_results([write(tmp_path / "x.json", content)])


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="x.json: not JSON"):
        read_results([tmp_path / "x.json"])


def test_one_name_has_one_score() -> None:
    same = DimensionResult(0.5, (VideoResult("x/a.mp4", 0.5), VideoResult("y/a.mp4", 0.5)))
    assert video_scores("scene", same) == {"a.mp4": 0.5}
    differs = DimensionResult(0.5, (VideoResult("x/a.mp4", 0.5), VideoResult("y/a.mp4", 0.4)))
    with pytest.raises(ValueError, match=r"scene: several videos are called 'a.mp4'"):
        video_scores("scene", differs)


def test_the_leaderboard_reads_a_submission(tmp_path: Path) -> None:
    results = {name: DimensionResult((1 + i) / 20, (VideoResult("a.mp4", 1.0),)) for i, name in enumerate(DIMENSIONS)}
    write_submission(tmp_path / "out/model.zip", results, PROVENANCE)
    with zipfile.ZipFile(tmp_path / "out/model.zip") as archive:
        archive.extractall(tmp_path / "read")
    read = leaderboard(tmp_path / "read")
    assert read == {name.replace("_", " "): result.overall for name, result in results.items()}
    [said] = json.loads((tmp_path / "read/provenance.json").read_text())
    assert said["frames"] == 81
    assert said["backend"] == "official"
    before = (tmp_path / "out/model.zip").read_bytes()
    write_submission(tmp_path / "out/model.zip", results, PROVENANCE)
    assert (tmp_path / "out/model.zip").read_bytes() == before


def test_the_leaderboard_passes_over_provenance(tmp_path: Path) -> None:
    write_results(tmp_path / "a_eval_results.json", {"scene": DimensionResult(0.5)})
    write_provenance(tmp_path / "a_provenance.json", {"backend": "official"})
    read = leaderboard(tmp_path)
    assert read.pop("scene") == 0.5
    assert set(read.values()) == {0}


def test_incomplete_submissions_are_refused(tmp_path: Path) -> None:
    results = {name: DimensionResult(0.5) for name in DIMENSIONS if name not in ("scene", "color")}
    with pytest.raises(ValueError, match="counts what is missing as 0; missing: color, scene"):
        write_submission(tmp_path / "x.zip", results, PROVENANCE)


@pytest.mark.parametrize(
    ("field", "value", "allowed"), [("sampled_by", " ", "a text"), ("fps", 0, "above 0"), ("prompt_set", "", "a text")]
)
def test_provenance_is_complete(field: str, value: object, allowed: str) -> None:
    known: dict[str, Any] = {name: getattr(PROVENANCE, name) for name in PROVENANCE.__dataclass_fields__}
    with pytest.raises(ValueError, match=f"provenance: {field} is {value!r}; it must be {allowed}"):
        Provenance(**known | {field: value})
