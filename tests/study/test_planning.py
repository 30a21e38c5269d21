"""From experiments to students and cells."""

from pathlib import Path

import pytest

from reward_forcing.composition import configuration, places
from reward_forcing.study.design import Study
from reward_forcing.study.planning import (
    FAST,
    Cell,
    Student,
    cells_of,
    check_cells,
    check_stream,
    make_plan,
    require_study,
    rooted,
    studies,
)
from reward_forcing.sweeps.jobs import Job

HEADLINE = (("palette_drift", "late"),)


def student(seed: int = 0, **levels: str) -> Student:
    config = configuration.compose([f"seed={seed}", "run_dir=somewhere"])
    return Student(levels, seed, Job(config, ()))


def test_students_of_the_same_levels_are_a_cell() -> None:
    students = [student(seed, sink=sink) for sink in ("none", "ema") for seed in (0, 1)]
    cells = cells_of(students, {})
    assert [cell.name for cell in cells] == ["none", "ema"]
    assert [[one.seed for one in cell.students] for cell in cells] == [[0, 1], [0, 1]]


def test_every_student_is_streamed_in_every_way() -> None:
    cells = cells_of([student(sink="none"), student(sink="ema")], {"short": ["memory.window_frames=6"], "long": []})
    assert [cell.name for cell in cells] == ["none, short", "none, long", "ema, short", "ema, long"]
    assert cells[2].levels == {"sink": "ema", "streams": "short"}
    assert cells[2].stream == ("memory.window_frames=6",)


def test_a_study_of_nothing_has_one_cell() -> None:
    (cell,) = cells_of([student(0), student(1)], {})
    assert cell.name == "student"


def test_reference_and_factors_must_be_there() -> None:
    cells = cells_of([student(sink="none"), student(sink="ema")], {})
    check_cells(Study(question="?", reference="ema", headline=HEADLINE, factors={"sink": "sink"}), cells)
    with pytest.raises(ValueError, match="study.reference is 'static'; allowed: none; ema"):
        check_cells(Study(question="?", reference="static", headline=HEADLINE), cells)
    with pytest.raises(ValueError, match="study.factors: loss is 'loss'; allowed: sink"):
        check_cells(Study(question="?", reference="ema", headline=HEADLINE, factors={"loss": "loss"}), cells)
    with pytest.raises(ValueError, match="two cells are called 'ema'"):
        check_cells(Study(question="?", reference="ema", headline=HEADLINE), [*cells, *cells[1:]])


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("memory.window_frames=2", "study.streams: mine: memory.window_frames is 2; it must be at least 6"),
        ("sink.decay=1.2", "study.streams: mine: .*decay is 1.2"),
        ("sink=emma", "study.streams: mine: .*emma"),
    ],
)
def test_ways_to_stream_are_tried_before_anything_is_trained(stream: str, told: str) -> None:
    check_stream(Cell("mine", {}, (student(),), ("sink=ema", "sink.decay=0.5")))
    with pytest.raises(ValueError, match=told):
        check_stream(Cell("mine", {}, (student(),), (stream,)))


def test_words_for_folders() -> None:
    assert rooted(["x=RUNS/a", "y=1"], Path("here")) == ["x=here/a", "y=1"]
    (shipped,) = rooted(["SHIPPED/checkpoints/toy/teacher.safetensors"], Path("here"))
    assert Path(shipped).is_file()


def test_unknown_studies_are_told() -> None:
    with pytest.raises(ValueError, match="study 'sinks' is unknown; allowed: .*sink_x_loss"):
        require_study("sinks")


def test_studies_share_students(tmp_path: Path) -> None:
    """The students of one study are among those of another: the same folders."""
    gradient = make_plan("context_gradient", ["seed=0"], scale=FAST, root=tmp_path)
    sinks = make_plan("sink_ablation", ["seed=0"], scale=FAST, root=tmp_path)
    (shared,) = {one.digest for one in gradient.students} & {one.digest for one in sinks.students}
    assert shared == gradient.cells[0].students[0].digest
    assert gradient.cells[0].students[0].job.folder == tmp_path / "students" / shared
    assert not gradient.students[0].is_trained


def test_other_values_are_other_students_and_no_results_to_keep(tmp_path: Path) -> None:
    usual = make_plan("context_gradient", ["seed=0"], scale=FAST, root=tmp_path)
    other = make_plan("context_gradient", ["seed=0", "loss.beta=1.0"], scale=FAST, root=tmp_path)
    assert not {one.digest for one in usual.students} & {one.digest for one in other.students}
    assert usual.folder != other.folder
    assert not usual.whole


def test_what_is_wrong_with_a_training_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sink"):
        make_plan("context_gradient", ["sink=emma"], root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_question_of_every_study_is_known() -> None:
    known = studies()
    assert len(known) >= 8
    assert all(question.endswith("?") for question in known.values())


def test_an_experiment_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, text in {
        "experiments/mine.yaml": """# @package _global_
# Study: a sink of mine
name: mine
run_dir: runs/mine
hydra: {mode: MULTIRUN, sweeper: {params: {sink: "none,slow", seed: 0}}}
study: {question: "Does slow help?", factors: {sink: sink}, reference: none, headline: [palette_drift late, fidelity]}
""",
        "sink/slow.yaml": "defaults: [ema]\ndecay: 0.9999\n",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(text, encoding="utf-8")
    assert "mine" not in studies()
    monkeypatch.setenv(places.SEARCHED, str(tmp_path))
    assert studies()["mine"] == "Does slow help?"
    plan = make_plan("mine", root=tmp_path / "runs")
    assert [cell.name for cell in plan.cells] == ["none", "slow"]
    assert plan.results == tmp_path / "experiments" / "results"
    assert plan.students[1].job.config.sink.decay == 0.9999


def test_results_of_the_project_lie_beside_its_experiments(tmp_path: Path) -> None:
    assert make_plan("context_gradient", root=tmp_path).results == places.shipped("experiments/results")
