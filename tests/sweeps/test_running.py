"""Real sweeps of tiny runs, one by one in this process: each run is done once, and cells can be compared pairwise."""

import json
from pathlib import Path

import pytest
import torch

from reward_forcing import train
from reward_forcing.composition import configuration
from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job, Outcome
from tests import small_runs

pytestmark = pytest.mark.filterwarnings("ignore")


def sweep(folder: Path, *more: str) -> list[tuple[Job, Outcome]]:
    given = [*small_runs.distillation(folder), "trainer.max_steps=1", *more]
    return train.launch(train.plan(given, multirun=True), after="tests.sweeps.test_running:note")


def note(job: Job, outcome: Outcome) -> None:
    """What is done after each job in these tests: a line."""
    with (outcome.folder / "after.txt").open("a") as file:
        file.write(f"{job.label} {outcome.state}\n")


def states(results: list[tuple[Job, Outcome]]) -> dict[str, str]:
    return {job.label: outcome.state for job, outcome in results}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Job, Outcome]]:
    return sweep(tmp_path_factory.mktemp("runs") / "first", "loss=dmd,re_dmd", "sink=ema,static")


def test_everything_is_told_and_recorded(first: list[tuple[Job, Outcome]]) -> None:
    assert set(states(first).values()) == {"finished"}
    for job, outcome in first:
        summary = json.loads((job.folder / "summary.json").read_text())
        assert len(summary["config_hash"]) == 16
        assert summary["seconds"] == outcome.seconds > 0
        assert {"planned_flops", "threads", "peak_memory_gib", "device", "versions", "started"} <= {*summary}
        assert (job.folder / "after.txt").read_text() == f"{job.label} finished\n"
    assert len({json.loads((job.folder / "summary.json").read_text())["config_hash"] for job, _ in first}) == 4


def test_cells_share_teacher_student_prompts_noise_and_exit_steps(first: list[tuple[Job, Outcome]]) -> None:
    """The first student's turn comes before anything could differ: only what weights the score gap may."""
    configs = [configuration.plain(job.config) for job, _ in first]
    for role in ("student", "fake_score"):
        assert len({config["module"][role]["source"] for config in configs}) == 1
    assert len({config["module"]["frozen"]["teacher"]["source"] for config in configs}) == 1
    batches = []
    for job, _ in first:
        data = configuration.build(job.config, "data")
        data.setup("fit")
        batches.append(next(iter(data.train_dataloader()))["prompts"])
    assert all(batch == batches[0] for batch in batches)
    scalars = {job.label: outcome.scalars for job, outcome in first}
    for sink in ("ema", "static"):
        dmd, re_dmd = (scalars[f"loss={loss},sink={sink}"] for loss in ("dmd", "re_dmd"))
        assert dmd["student/score_gap"] == re_dmd["student/score_gap"]
        assert dmd["student/reward"] == re_dmd["student/reward"]
        assert dmd["student/loss"] != re_dmd["student/loss"]


def test_the_same_command_does_nothing_again(first: list[tuple[Job, Outcome]]) -> None:
    folder = first[0][0].sweep
    assert folder is not None
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("student.safetensors")}
    again = sweep(folder, "loss=dmd,re_dmd", "sink=ema,static")
    assert set(states(again).values()) == {"finished before"}
    assert [outcome.scalars for _, outcome in again] == [outcome.scalars for _, outcome in first]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("student.safetensors")} == written
    job, _ = again[0]
    assert (job.folder / "after.txt").read_text().splitlines()[-1] == f"{job.label} finished before"


def test_cells_are_shared_between_sweeps_and_the_others_done(first: list[tuple[Job, Outcome]], tmp_path: Path) -> None:
    folder = first[0][0].sweep
    assert folder is not None
    second = folder.with_name("second")
    results = sweep(second, "sink=ema,none", "loss=dmd")
    assert states(results) == {"sink=ema": "taken over", "sink=none": "finished"}
    assert (second / "sink=ema").resolve() == folder / "loss=dmd,sink=ema"
    assert results[0][1].note == f"from {folder / 'loss=dmd,sink=ema'}"
    elsewhere = sweep(tmp_path / "third", "sink=ema,static", "loss=dmd", f"sweep.reuse=[{folder}]")
    assert set(states(elsewhere).values()) == {"taken over"}, "files count by content, wherever they lie"


def test_a_run_that_occurs_twice_is_done_once(tmp_path: Path) -> None:
    results = sweep(tmp_path / "sweep", "loss=dmd", "name=a,b")
    assert states(results) == {"name=a": "finished", "name=b": "finished"}
    assert results[1][1].note == "the same run as name=a"
    assert (tmp_path / "sweep/name=b").resolve() == tmp_path / "sweep/name=a"


def test_links_that_lead_nowhere_or_to_another_config_are_given_up(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    other.progress.write_text(json.dumps({"config_hash": "another"}))
    (folder / "loss=dmd").symlink_to(tmp_path / "nowhere")
    (folder / "loss=re_dmd").symlink_to(other.path)
    assert set(states(sweep(folder, "loss=dmd,re_dmd")).values()) == {"finished"}
    assert not any((folder / f"loss={loss}").is_symlink() for loss in ("dmd", "re_dmd"))
    assert [path.name for path in other.path.iterdir()] == ["progress.json"]


def test_a_failing_job_does_not_lose_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of the first holds a checkpoint of a run with another config."""
    other = RunFolder(tmp_path / "sweep/loss=dmd")
    other.last.parent.mkdir(parents=True)
    torch.save({}, other.last)
    other.config.write_text("seed: 5\n")
    given = [*small_runs.distillation(tmp_path / "sweep"), "trainer.max_steps=1", "loss=dmd,re_dmd"]
    assert train.main(["-m", *given]) == 1
    said = capsys.readouterr().out
    assert "failed: loss=dmd: ConfigurationError: resume: the config is not the one of" in said
    assert f"(log: {other.log})" in said
    assert (tmp_path / "sweep/loss=re_dmd/student.safetensors").exists()
