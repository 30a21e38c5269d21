"""From an experiment to what it found; stopped at any time, the same call goes on."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from reward_forcing import train
from reward_forcing.composition import places
from reward_forcing.study.costs import Run, note_run
from reward_forcing.study.filming import Film, film
from reward_forcing.study.outcome import conclude, films_of
from reward_forcing.study.planning import FAST, FULL, Plan, Student, make_plan, rooted
from reward_forcing.study.side_by_side import Failed, side_by_side
from reward_forcing.study.writing import write
from reward_forcing.sweeps.jobs import Outcome
from reward_forcing.sweeps.launchers import OneByOne, SideBySide

STEP_SECONDS: Final = 0.7
"""Of a distillation step of the toy student, batch of 8, on one thread (README: the machine)."""
VIDEO_SECONDS: Final = 0.8
"""Of streaming and judging a toy video of 120 frames, on one thread."""
BAR: Final = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def run(
    name: str,
    overrides: Sequence[str] = (),
    *,
    fast: bool = False,
    jobs: int = 2,
    runs: Path = Path("runs"),
    results: Path | None = None,
) -> int:
    """Train, stream, judge and write; the exit status: 0 done, 1 a training failed, 130 stopped on request.

    Args:
        name: of the experiment.
        overrides: of its trainings; the results are then not those of the experiment, and stay in the run's folder.
        fast: a smoke test, results of which stay in the run's folder.
        jobs: how much is done side by side, one thread each.
        runs: folder of all runs.
        results: where results worth keeping go; by default where the experiment is.

    Raises:
        ValueError: the study is wrong; nothing has been done yet.
    """
    console = Console()
    scale, root = (FAST, runs / "fast") if fast else (FULL, runs)
    plan = make_plan(name, overrides, scale=scale, root=root)
    console.print(announced(plan, jobs), highlight=False, soft_wrap=True)
    if prepare(plan, console):
        plan = make_plan(name, overrides, scale=scale, root=root)
    with timed(plan, jobs):
        outcomes = train_all([student for student in plan.students if not student.is_trained], jobs)
        if status := told(outcomes, console):
            return status
        judged = film_all(films_of(plan), jobs, console)
    kept = (results or plan.results) if plan.whole else plan.folder / "results"
    said = conclude(plan, judged, kept)
    console.print(
        f"\n{said}\n\nreport: {plan.folder / 'report.html'}\nresults: {kept}", highlight=False, soft_wrap=True
    )
    if kept == places.shipped("experiments/results"):
        write()
    return 0


@contextmanager
def timed(plan: Plan, jobs: int) -> Iterator[None]:
    """Note what a run does, however it ends: the costs of a study are those of all its runs."""
    missing = [student for student in plan.students if not student.is_trained]
    started = time.perf_counter()
    try:
        yield
    finally:
        trained = tuple(student.digest for student in missing if student.is_trained)
        note_run(plan.folder, Run(jobs, round(time.perf_counter() - started, 1), trained))


def announced(plan: Plan, jobs: int) -> str:
    """What is going to be done, and about how long it takes."""
    todo = [student for student in plan.students if not student.is_trained]
    videos = sum(len(cell.students) for cell in plan.cells) * plan.prompts
    steps = sum(int(student.job.config.trainer.max_steps) for student in todo)
    size = plan.frames / 120
    minutes = (steps * STEP_SECONDS + videos * size * VIDEO_SECONDS) / min(jobs, os.cpu_count() or 1) / 60
    there = len(plan.students) - len(todo)
    return "\n".join(
        [
            f"{plan.name}: {plan.study.question}",
            f"students: {len(plan.students)}, of which {there} are there already and {len(todo)} are to be trained",
            f"cells: {len(plan.cells)} ({'; '.join(cell.name for cell in plan.cells)})",
            f"videos: {videos} of {plan.frames} frames, the teacher's clips, the truth and trivial ones besides",
            f"about {minutes:.0f} minutes for all that is not there, {jobs} at a time; folder: {plan.folder}",
        ]
    )


def prepare(plan: Plan, console: Console) -> bool:
    """Make the files that trainings start from, where they are missing; whether any was.

    Raises:
        ValueError: a command did not make what it should.
    """
    made = False
    for file, words in plan.study.first.items():
        (path, *command) = rooted([file, *shlex.split(words)], plan.root)
        if Path(path).exists():
            continue
        given = [*command, *plan.scale.overrides] if command[0] == "train" else command
        console.print(f"first: reward-forcing {shlex.join(given)}", highlight=False, soft_wrap=True)
        code = "import sys; from reward_forcing.cli import main; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", code, *given], check=False)  # noqa: S603 (our own command)
        if done.returncode or not Path(path).exists():
            raise ValueError(f"study.first: `reward-forcing {shlex.join(given)}` made no {path}")
        made = True
    return made


def train_all(students: Sequence[Student], jobs: int) -> list[tuple[Student, Outcome]]:
    """Train students side by side; one that fails does not stop the others."""
    if not students:
        return []
    launcher = OneByOne() if jobs == 1 else SideBySide(n_jobs=jobs)
    outcomes = launcher.launch([student.job for student in students], lambda job: train.run(job.config), "")
    return list(zip(students, outcomes, strict=True))


def told(outcomes: Sequence[tuple[Student, Outcome]], console: Console) -> int:
    """Say what did not end well; the exit status."""
    for student, outcome in outcomes:
        if outcome.state == "failed":
            console.print(f"failed: {student.job.label}: {outcome.note}", highlight=False, soft_wrap=True)
    if any(outcome.state in ("stopped", "not started") for _, outcome in outcomes):
        console.print("Stopped; the same command continues.")
        return 130
    failed = sum(not outcome.done for _, outcome in outcomes)
    if failed:
        console.print(f"{failed} of {len(outcomes)} trainings failed; the same command tries them again.")
    return int(failed > 0)


def film_all(films: Sequence[Film], jobs: int, console: Console) -> list[Path]:
    """Stream and judge all cells; their `results.json`, in the same order.

    Raises:
        ValueError: some could not be.
    """
    done: dict[Path, Path] = {}
    with Progress(*BAR, console=console) as progress:
        line = progress.add_task("stream and judge", total=len(films))
        for one, result in side_by_side(film, films, jobs):
            if isinstance(result, Failed):
                raise ValueError(f"cell {one.cell}: {result.reason}")  # noqa: TRY004 (a result, not a wrong type)
            done[one.folder] = result
            progress.update(line, advance=1, description=f"done: {one.cell}")
    return [done[one.folder] for one in films]
