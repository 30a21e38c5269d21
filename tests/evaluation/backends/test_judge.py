"""Judges mark the part they are asked about; what they cannot mark has no score, a note, and stops nothing."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.backends.backend import Footage, discover
from evaluation.backends.equip import equip
from evaluation.backends.judge import MOST, Part, judged, marks, part_of, watch
from evaluation.evaluate import evaluate
from evaluation.evidence import look
from evaluation.instruments import Equipment
from evaluation.metrics.judge import MEASURES
from reward_forcing import cli
from tests.evaluation.backends.judge_folder import write_judge
from tests.evaluation.backends.small import smooth
from tests.evaluation.made import MOVING, frozen, intact, write_study

SCRIPT = '''
"""A judge by script: it marks brightness, and is speechless about crosses."""

def judge(frames, prompt):
    if "cross" in prompt:
        raise KeyError("no words for crosses")
    change = frames.float().diff(dim=0).abs().mean()
    return {"dynamics": 1.0 + 4.0 * float(change > 0.5), "visual_quality": 3}
'''


@pytest.fixture
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripted_judge.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("part", "video", "expected"),
    [
        (Part(), (960, 16.0), (880, 959, 10)),
        (Part(55, 60), (960, 16.0), (880, 959, 10)),
        (Part(), (81, 16.0), (1, 80, 10)),
        (Part(), (20, 8.0), (0, 19, 5)),
        (Part(0, 5), (960, 16.0), (0, 79, 10)),
        (Part(-10, -5), (960, 16.0), (800, 879, 10)),
        (Part(0), (9600, 16.0), (0, 9599, MOST)),
        (Part(), (1, 16.0), (0, 0, 1)),
    ],
)
def test_parts_of_videos(part: Part, video: tuple[int, float], expected: tuple[int, int, int]) -> None:
    """Frames and rate of a video; the first and last that are shown, and how many."""
    shown = part.frames(*video)
    assert (shown[0], shown[-1], len(shown)) == expected
    assert shown == sorted(set(shown))


def test_a_part_beyond_the_end_has_no_frames() -> None:
    assert Part(55, 60).frames(160, 16.0) == []
    assert Part(5).frames(80, 16.0) == []
    assert Part(4.9).frames(80, 16.0) == [79]


def test_parts_are_written_as_seconds() -> None:
    assert [str(part_of(text)) for text in ("55:60", "-5:", ":5", "-10:-5", "1.5:2")] == [
        "55:60",
        "-5:",
        "0:5",
        "-10:-5",
        "1.5:2",
    ]
    for text in ("55", "60:55", "a:b", "5:5", "-1:-2"):
        with pytest.raises(ValueError, match="write START:STOP, for instance 55:60"):
            part_of(text)


def brightness(frames: Tensor, prompt: str) -> dict[str, float]:
    if "dark" in prompt:
        raise ValueError("too dark to see")
    return {"text_alignment": 1 + 4 * float(frames.float().mean() / 255), "dynamics": float(min(len(frames), 5))}


def test_the_judge_sees_the_frames_of_its_part() -> None:
    frames = torch.zeros(2, 40, 3, 8, 8, dtype=torch.uint8)
    frames[:, 30:] = 255
    watcher = partial(watch, judge=brightness, part=Part(-1))
    windows = ((0, 20), (0, 40))
    evidence = look(frames, ["a", "b"], fps=10.0, windows=windows, instruments={"judge": watcher})
    found = {m.name: m(evidence) for m in MEASURES}
    assert found["judge_text_alignment"].tolist() == [5.0, 5.0]
    assert found["judge_dynamics"].tolist() == [2.0, 2.0]
    assert found["judge_visual_quality"].isnan().all(), "it does not mark that"
    assert MEASURES[0](evidence.between(0, 20)).tolist() == [1.0, 1.0]
    assert evidence.notes == ()


def test_failures_become_notes_and_nan() -> None:
    complaints: list[str] = []
    shown = torch.zeros(3, 2, 3, 4, 4, dtype=torch.uint8)
    found = marks(brightness, ["a", "dark", "b"], complaints, shown)
    assert found[:, 0].isnan().tolist() == [False, True, False]
    assert complaints == ["the judge gave no marks: too dark to see"]
    strange = marks(lambda *_: {"beauty": 1.0}, ["a"], complaints, shown[:1])
    assert strange.isnan().all()
    assert complaints[1].startswith("the judge gave no marks: marks of beauty; allowed: ")


def test_a_video_without_that_part_has_no_score_and_a_note() -> None:
    watcher = partial(watch, judge=brightness, part=Part(55, 60))
    evidence = look(smooth(20, 16, 16), ["a"], fps=10.0, instruments={"judge": watcher})
    assert MEASURES[0](evidence).isnan().all()
    assert evidence.notes == ("no second of 55:60 for the judge in 2 seconds",)


@pytest.mark.usefixtures("_script")
def test_a_judge_of_the_users_through_the_command(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"moving": intact, "still": frozen})
    names = ["judge_dynamics", "judge_visual_quality"]
    words = ["evaluate", str(manifest), "--no-baselines", "--device", "cpu", "--metrics", *names]
    assert cli.main([*words, "--judge", "scripted_judge:judge", "--judge-seconds=:2"]) == 0
    content = json.loads((tmp_path / "results.json").read_text())
    scores = {(v["cell"], v["prompt"]): v["scores"]["judge_dynamics"][0] for v in content["videos"]}
    assert [scores["moving", MOVING[0]], scores["still", MOVING[0]]] == [5, 1]
    assert scores["moving", MOVING[1]] is None
    assert any("no words for crosses" in note for video in content["videos"] for note in video["notes"])
    name = content["protocol"]["instruments"]["judge"]
    assert name.startswith("scripted_judge:judge sha256:")
    assert name.endswith(", seconds 0:2")


@pytest.mark.usefixtures("_script")
def test_another_judge_or_part_scores_again() -> None:
    one = judged(Equipment(), "scripted_judge:judge", Part())
    other = judged(Equipment(), "scripted_judge:judge", Part(55, 60))
    assert one.mark(["judge"]) != other.mark(["judge"])
    with pytest.raises(ValueError, match="no function or class 'critic'"):
        judged(Equipment(), "scripted_judge:critic", Part())


def test_a_model_is_found_in_the_weights_or_named(tmp_path: Path) -> None:
    folder = write_judge(tmp_path / "weights/judge")
    found = equip(["judge"], [tmp_path / "weights"])
    assert found.missing == {}
    named = judged(Equipment(missing={"judge": "none", "flow": "no"}), str(folder), Part())
    assert named.missing == {"flow": "no"}
    for mark in (found.mark(["judge"]), named.mark(["judge"])):
        assert "rubric sha256:" in mark
        assert "seconds -5:" in mark


def test_without_a_judge_the_metrics_are_skipped(tmp_path: Path) -> None:
    why = equip(["judge"], [tmp_path]).missing["judge"]
    assert "`evaluate --judge FOLDER` of any image-text-to-text model" in why
    manifest = write_study(tmp_path, {"moving": intact}, prompts=MOVING[:1])
    with pytest.raises(ValueError, match=r"judge_dynamics: .*--judge MODULE:FUNCTION"):
        evaluate(manifest, metrics=["judge_dynamics"], equipment=equip(["judge"], [tmp_path]), progress=False)
    assert discover()["judge"].cost(Footage(81, 480, 832, 16)) > 1000
