"""From a manifest to tables: complete, resumable, and the same every time."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation import scoring, sights
from evaluation.baselines import FROZEN, TRUTH, baselines_for
from evaluation.evaluate import evaluate
from evaluation.evidence import observe
from evaluation.instruments import Equipment
from evaluation.measure import discover
from evaluation.results import SCHEMA
from evaluation.store import Store
from evaluation.windows import Cut
from reward_forcing.videos import Clip, read_clip, write_clip
from tests.evaluation.made import MOVING, SIX, frozen, intact, tinted, truth, write_study

FEW = ("palette_drift", "net_displacement", "frame_difference")


def run(manifest: Path, **settings: Any) -> dict[str, Any]:
    path = evaluate(manifest, **{"metrics": FEW, "progress": False, **settings})
    return dict(json.loads(path.read_text(encoding="utf-8")))


def mean(content: dict[str, Any], cell: str, metric: str, window: str = "all") -> float:
    wanted = {"cell": cell, "metric": metric, "window": window}
    (found,) = (e["mean"] for e in content["estimates"] if wanted.items() <= e.items())
    return float(found)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), {"good": intact, "tinted": tinted}, prompts=SIX)


@pytest.fixture(scope="module")
def content(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(study, out=tmp_path_factory.mktemp("out"), metrics=None, equipment=Equipment())


def test_all_videos_metrics_and_baselines_are_scored(content: dict[str, Any]) -> None:
    assert content["schema"] == SCHEMA
    assert content["reference"] == "good"
    lacking = {name for name, measure in discover().items() if Equipment().lacking(measure.needs)}
    assert list(content["measures"]) == [name for name in discover() if name not in lacking]
    assert set(content["skipped"]) <= lacking
    cells = [video["cell"] for video in content["videos"]]
    assert {cell: cells.count(cell) for cell in cells} == dict.fromkeys(
        ("good", "tinted", *baselines_for(MOVING[0])), len(SIX)
    )
    assert all(list(video["scores"]) == list(content["measures"]) for video in content["videos"])


def test_scores_say_what_was_done_to_the_videos(content: dict[str, Any]) -> None:
    assert mean(content, "good", "one_sprite") == 1
    assert mean(content, "good", "palette_drift", "late") < 0.01 < mean(content, "tinted", "palette_drift", "late")
    assert mean(content, FROZEN, "net_displacement") == pytest.approx(0, abs=1e-4)
    assert mean(content, FROZEN, "sink_similarity") == pytest.approx(1, abs=1e-4)
    (drift,) = (c for c in content["comparisons"] if (c["metric"], c["window"]) == ("palette_drift", "late"))
    assert (drift["cell"], drift["reference"], drift["verdict"], drift["won"]) == ("tinted", "good", "worse", 0)
    assert content["metadata"] == {
        "good": {"sink": "good", "checkpoint": "abc"},
        "tinted": {"sink": "tinted", "checkpoint": "abc"},
    }


def test_the_same_videos_give_the_same_bytes(study: Path) -> None:
    for name in ("one", "two"):
        run(study, out=study.parent / name)
    one, two = (study.parent / name for name in ("one", "two"))
    for file in ("results.json", "per_video.csv", "per_window.csv", "scores.jsonl"):
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_what_is_scored_is_not_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_study(tmp_path, {"good": intact})
    first = run(manifest)
    monkeypatch.setattr(scoring, "observe", None)  # scoring anything would fail
    assert run(manifest) == first


def test_an_interrupted_evaluation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_study(tmp_path, {"good": intact, "tinted": tinted})
    whole = run(manifest, out=tmp_path / "whole")
    monkeypatch.setattr(sights, "VIDEOS_AT_ONCE", 2)
    calls: list[Any] = []

    def twice(*given: Any) -> Any:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(given)
        return observe(*given)

    monkeypatch.setattr(scoring, "observe", twice)
    with pytest.raises(KeyboardInterrupt):
        run(manifest, out=tmp_path / "parts")
    store = tmp_path / "parts" / "scores.jsonl"
    assert len(Store(store).records) == 4
    text = store.read_text()
    store.write_text(text[: len(text) - 40])  # the power failed in the middle of a line
    monkeypatch.setattr(scoring, "observe", observe)
    monkeypatch.setattr(sights, "VIDEOS_AT_ONCE", 16)
    resumed = run(manifest, out=tmp_path / "parts")
    assert resumed["videos"] == [{**v, "video": v["video"]} for v in whole["videos"]]
    assert len(Store(store).records) == len(whole["videos"])


def test_a_changed_video_is_scored_again(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"good": intact, "tinted": tinted})
    before = run(manifest)
    path = tmp_path / "videos" / "tinted-0.mkv"
    write_clip(path, Clip(frozen(read_clip(path).frames), 8.0))
    after = run(manifest)
    assert mean(after, "tinted", "net_displacement") < mean(before, "tinted", "net_displacement")
    assert mean(after, "good", "net_displacement") == mean(before, "good", "net_displacement")


def test_new_windows_and_metrics_are_scored_anew(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"good": intact})
    run(manifest)
    content = run(manifest, how=Cut(clip=10, length=15, hop=5), metrics=["contrast"])
    assert content["protocol"]["windows"] == {"clip": 10, "length": 15, "hop": 5}
    assert [part[1:] for part in content["videos"][0]["windows"] if not part[0]] == [
        [0, 15],
        [5, 20],
        [10, 25],
        [15, 30],
    ]
    assert list(content["videos"][0]["scores"]) == ["contrast"]


def test_videos_of_other_worlds_get_what_applies(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"good": intact}, prompts=MOVING[:1])
    line = json.loads(manifest.read_text())
    write_clip(tmp_path / "cat.mkv", Clip(truth(12)[0].repeat(1, 1, 2, 1), 16.0))
    cat = line | {"video": "cat.mkv", "prompt": "a cat", "fps": 16}
    manifest.write_text(json.dumps(line) + "\n" + json.dumps(cat) + "\n")
    content = run(manifest)
    videos = {(video["cell"], video["prompt"]): video for video in content["videos"]}
    assert list(videos["good", "a cat"]["scores"]) == ["frame_difference"]
    assert list(videos["good", MOVING[0]]["scores"]) == list(FEW)
    assert (TRUTH, "a cat") not in videos
    assert (FROZEN, "a cat") in videos


def test_baselines_may_be_left_out_and_the_reference_chosen(study: Path, tmp_path: Path) -> None:
    content = run(study, out=tmp_path, baselines=False, reference="tinted")
    assert {video["cell"] for video in content["videos"]} == {"good", "tinted"}
    assert content["reference"] == "tinted"
    assert {c["cell"] for c in content["comparisons"]} == {"good"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reference": "best"}, "reference: 'best' is not a cell of these videos; allowed: good, tinted"),
        ({"metrics": ["motion"]}, "metrics: 'motion' is unknown; allowed: "),
    ],
)
def test_wrong_settings_are_named_before_anything_is_written(
    study: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(study, out=tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_paths_in_tables_are_relative_to_them(study: Path) -> None:
    run(study, out=study.parent / "deeper" / "out")
    text = (study.parent / "deeper" / "out" / "per_video.csv").read_text()
    assert "../../videos/good-0.mkv" in text
    assert str(study.parent) not in text


def test_what_is_skipped_is_told_with_its_reason_and_where_to_look(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"musiq": "MUSIQ: m.pth is neither here nor there; get it (109 MB): https://example.org"}
    content = run(study, out=tmp_path, metrics=None, equipment=Equipment(missing=missing), progress=True)
    shown = " ".join(capsys.readouterr().out.split())
    assert "skipped: imaging_quality: MUSIQ: m.pth is neither here nor there" in shown
    assert "example.org" not in shown
    assert "reward-forcing evaluation doctor" in shown
    assert content["skipped"]["imaging_quality"] == missing["musiq"]


def test_networks_are_no_topic_unless_somebody_looked_for_them(study: Path, tmp_path: Path) -> None:
    assert run(study, out=tmp_path, metrics=None)["skipped"] == {}
