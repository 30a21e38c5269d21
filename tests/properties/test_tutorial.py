"""docs/tutorial/first-ablation.md: the experiment it has the reader write is the study it speaks of."""

import re
from pathlib import Path

import pytest

from reward_forcing import train
from reward_forcing.composition import configuration, places
from reward_forcing.study.planning import FAST, make_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial/first-ablation.md").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with the reader's experiment in it."""
    found = re.search(r"`(experiments/first\.yaml)`:\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    for name in ("configs", "checkpoints"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "experiments").mkdir()
    (tmp_path / found[1]).write_text(found[2], encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(configuration, "ROOT", tmp_path)
    return tmp_path / found[1]


@pytest.mark.usefixtures("written")
def test_the_study_is_what_the_page_says() -> None:
    plan = make_plan("first")
    assert [cell.name for cell in plan.cells] == ["none", "static", "ema"]
    assert {int(student.job.config.trainer.max_steps) for student in plan.students} == {60}
    assert (plan.prompts, plan.frames, plan.folder) == (12, 120, Path("runs/studies/first"))
    assert plan.whole, "its results are written to experiments/results"
    assert not make_plan("first", scale=FAST).whole


@pytest.mark.usefixtures("written")
def test_a_second_look_trains_only_what_is_new() -> None:
    once, thrice = make_plan("first"), make_plan("first", ["seed=0,1,2"])
    assert {one.digest for one in once.students} < {one.digest for one in thrice.students}
    assert (len(once.students), len(thrice.students)) == (3, 9)
    assert not thrice.whole


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("reference: none", "reference: nothing", "reference.*nothing"),
        ("max_steps: 60", "max_step: 60", r"trainer\.max_step.*max_steps"),
        ("[palette_drift late,", "[net_displacement,", "net_displacement is optimised by reward=tracked_motion"),
    ],
)
def test_slips_are_told_before_anything_runs(written: Path, right: str, wrong: str, message: str) -> None:
    text = written.read_text(encoding="utf-8")
    assert right in text
    written.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        make_plan("first")


@pytest.mark.usefixtures("written")
def test_the_trainings_alone_are_three() -> None:
    assert [job.label for job in train.plan(["experiments=first"])] == ["sink=none", "sink=static", "sink=ema"]
