"""Independent pieces of work side by side, one thread each."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar


@dataclass(frozen=True)
class Failed:
    """Why a task has no result."""

    reason: str


Task = TypeVar("Task")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[Task, Result | Failed]]:
    """Results as they come; what is wrong with one task does not stop the others.

    Args:
        work: a function of a module, given one task.
        tasks: to be done, in this order.
        jobs: how many at a time; with one, in this process.

    Raises:
        ValueError: `jobs` is below 1.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; it must be at least 1")
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, attempt(work, task)
        return
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn"), initializer=one_thread)
    try:
        futures = {pool.submit(attempt, work, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def one_thread() -> None:
    """Leave the other cores to the other processes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def attempt(work: Callable[[Task], Result], task: Task) -> Result | Failed:
    """The result of a task that tells the terminal nothing, or why there is none."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return work(task)
    except (ValueError, RuntimeError, OSError) as error:
        return Failed(str(error) or type(error).__name__)
