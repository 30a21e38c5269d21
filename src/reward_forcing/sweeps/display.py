"""What is shown while jobs run side by side: one line a job."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.jobs import Job, Outcome


class Display:
    """A line for every job that runs, in a terminal; elsewhere a line whenever a job begins or ends.

    Args:
        jobs: all jobs.
        console: where to write; None: standard output.
    """

    def __init__(self, jobs: Sequence[Job], console: Console | None = None) -> None:
        self.jobs, self.console = jobs, console or Console()
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._told: set[tuple[int, str]] = set()

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def show(self, running: set[int], done: Mapping[int, Outcome], *, stopping: bool) -> None:
        """Show how things stand.

        Args:
            running: jobs under way.
            done: what became of others.
            stopping: whether jobs were asked to stop.
        """
        if self.console.is_terminal:
            self._live.update(self._table(running, done, stopping=stopping), refresh=True)
            return
        news = [(index, "started") for index in sorted(running)]
        news += [(index, outcome.state) for index, outcome in sorted(done.items())]
        for index, state in news:
            if (index, state) not in self._told:
                self._told.add((index, state))
                self.console.print(f"{state}: {self.jobs[index].title}", highlight=False, soft_wrap=True)

    def _table(self, running: set[int], done: Mapping[int, Outcome], *, stopping: bool) -> Table:
        grid = Table.grid(padding=(0, 2))
        for index in sorted(running):
            grid.add_row(self.jobs[index].title, *progress(self.jobs[index]))
        waiting = len(self.jobs) - len(running) - len(done)
        ended = f"{len(done)} of {len(self.jobs)} ended, {waiting} waiting"
        grid.add_row(f"{ended}; stopping, Ctrl-C again ends at once" if stopping else ended)
        return grid


def progress(job: Job) -> tuple[str, str]:
    """`step/steps` and the time left, from the notes of a job."""
    folder = RunFolder(job.folder)
    noted: dict[str, Any] = folder.noted(folder.progress)
    if not noted:
        return "starting", ""
    left = noted.get("left")
    told = f"{timedelta(seconds=round(left))} left" if left is not None else ""
    return f"{noted['step']}/{noted['steps']}", told
