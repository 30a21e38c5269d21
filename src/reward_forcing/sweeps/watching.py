"""Jobs side by side: started as places get free, asked to stop when that is wanted, told about on the way."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from reward_forcing.sweeps.display import Display
from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.processes import Started, outcome
from reward_forcing.sweeps.stopping import requests

PAUSE: Final = 0.2
"""Seconds between two looks at jobs."""

Start = Callable[[Job, int], Started]
"""`start(job, place)`: start a job; places are numbered from 0."""


@dataclass
class Watch:
    """Jobs that wait, run and are done, by their index.

    Args:
        jobs: all of them.
        start: how one is started.
        places: how many may run at once.
    """

    jobs: Sequence[Job]
    start: Start
    places: int
    running: dict[int, tuple[int, Started]] = field(default_factory=dict)
    done: dict[int, Outcome] = field(default_factory=dict)
    asked: int = 0

    def run(self) -> list[Outcome]:
        """Run until all are done, or a stop was asked for and those under way have ended."""
        with requests() as asking, Display(self.jobs) as display:
            while len(self.done) < len(self.jobs):
                self._obey(asking.count)
                self._fill()
                self._collect()
                display.show(set(self.running), self.done, stopping=bool(self.asked))
                time.sleep(PAUSE if self.running else 0)
        return [self.done[index] for index in range(len(self.jobs))]

    def _obey(self, asked: int) -> None:
        """Ask jobs to stop, once; at a second request end them."""
        if asked > self.asked:
            for _, job in self.running.values():
                (job.stop if asked == 1 else job.kill)()
        self.asked = asked

    def _fill(self) -> None:
        """Start what waits while there is room; nothing more once a stop was asked for."""
        waiting = [index for index in range(len(self.jobs)) if index not in self.running and index not in self.done]
        taken = {place for place, _ in self.running.values()}
        free = [place for place in range(self.places) if place not in taken]
        if self.asked:
            self.done |= {index: Outcome(self.jobs[index].folder, 0, "not started") for index in waiting}
            return
        for index, place in zip(waiting, free, strict=False):
            self.running[index] = (place, self.start(self.jobs[index], place))

    def _collect(self) -> None:
        """See which have ended."""
        for index, (_, job) in list(self.running.items()):
            status = job.poll()
            if status is not None:
                self.done[index] = outcome(self.jobs[index], status, asked=bool(self.asked))
                del self.running[index]
