"""What is told at the end of a training or a sweep."""

import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from reward_forcing.sweeps.jobs import Job, Outcome


def table(done: Sequence[tuple[Job, Outcome]]) -> Table:
    """One row a run: how it ended, and the losses and rewards it ended with."""
    names = columns([outcome for _, outcome in done])
    headers = ("run", "state", "steps", "seconds", *(re.sub("[/_]", "\n", name) for name in names))
    rows = Table(*(Column(header, no_wrap=True) for header in headers), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for job, outcome in done:
        scalars = [f"{outcome.scalars[name]:.3g}" if name in outcome.scalars else "" for name in names]
        label = job.title.replace(",", "\n")
        rows.add_row(label, outcome.state, str(outcome.steps), f"{outcome.seconds:.1f}", *scalars)
    return rows


def columns(outcomes: Sequence[Outcome]) -> list[str]:
    """What is worth a column: losses and rewards."""
    names = {name: None for outcome in outcomes for name in outcome.scalars}
    return [name for name in names if name.endswith(("/loss", "/reward", "/effective_sample_size"))]


def remarks(done: Sequence[tuple[Job, Outcome]]) -> list[str]:
    """Why runs failed and where others were taken from, one line each."""
    return [f"{outcome.state}: {job.title}: {outcome.note}" for job, outcome in done if outcome.note]


def tell(done: Sequence[tuple[Job, Outcome]], continuation: str) -> int:
    """Show the table and the remarks; the exit status: 0 done, 1 something failed, 130 stopped on request.

    Args:
        done: what became of which run.
        continuation: the command that goes on where a stop was asked for.
    """
    console = Console()
    console.print(table(done))
    for remark in remarks(done):
        console.print(remark, highlight=False, soft_wrap=True, markup=False)
    stopped = [outcome for _, outcome in done if outcome.state == "stopped"]
    if stopped or any(outcome.state == "not started" for _, outcome in done):
        steps = ", ".join(str(outcome.steps) for outcome in stopped)
        where = f"Stopped after step {steps}" if stopped else "Stopped"
        console.print(f"{where}. To continue: {continuation}", highlight=False, soft_wrap=True, markup=False)
        return 130
    return int(any(outcome.state == "failed" for _, outcome in done))
