import io
import json
from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console

from reward_forcing.sweeps.display import Display, progress
from reward_forcing.sweeps.jobs import Job, Outcome


def jobs(folder: Path) -> list[Job]:
    configs = [OmegaConf.create({"run_dir": str(folder / name), "trainer": {}}) for name in "abc"]
    return [Job(config, (), f"sink={name}") for config, name in zip(configs, "abc", strict=True)]


def note(job: Job, left: float | None) -> None:
    job.folder.mkdir()
    (job.folder / "progress.json").write_text(json.dumps({"step": 3, "steps": 40, "left": left}))


def shown(folder: Path, *, terminal: bool, stopping: bool = False) -> str:
    out = io.StringIO()
    given = jobs(folder)
    with Display(given, Console(file=out, force_terminal=terminal, width=100)) as display:
        for _ in range(2):
            display.show({1}, {0: Outcome(given[0].folder, 4, "finished")}, stopping=stopping)
    return out.getvalue()


def test_a_terminal_shows_a_line_for_every_job_that_runs(tmp_path: Path) -> None:
    note(jobs(tmp_path)[1], 65.0)
    said = shown(tmp_path, terminal=True, stopping=True)
    assert "sink=b" in said
    assert "3/40" in said
    assert "0:01:05 left" in said
    assert "1 of 3 ended, 1 waiting; stopping, Ctrl-C again ends at once" in said
    assert "sink=a" not in said


def test_elsewhere_every_change_is_told_once(tmp_path: Path) -> None:
    assert shown(tmp_path, terminal=False).splitlines() == ["started: sink=b", "finished: sink=a"]


def test_progress_is_read_from_notes(tmp_path: Path) -> None:
    job = jobs(tmp_path)[0]
    assert progress(job) == ("starting", "")
    note(job, None)
    assert progress(job) == ("3/40", "")
