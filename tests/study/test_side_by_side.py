"""Work in processes gives what work in this process gives."""

import os
import sys
import time

import pytest
import torch

from reward_forcing.study.side_by_side import Failed, side_by_side


def square(number: int) -> int:
    sys.stdout.write("not to be seen")
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number**2


def where(seconds: float) -> tuple[int, int]:
    time.sleep(seconds)
    return os.getpid(), torch.get_num_threads()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_does_not_stop_the_others(jobs: int, capfd: pytest.CaptureFixture[str]) -> None:
    done = dict(side_by_side(square, [3, -1, 2], jobs))
    assert done == {3: 9, -1: Failed("-1 is below 0"), 2: 4}
    assert "not to be seen" not in capfd.readouterr().out


def test_processes_have_one_thread_each() -> None:
    done = dict(side_by_side(where, [0.5, 0.6], 2))
    (first, threads), (second, others) = (result for result in done.values() if not isinstance(result, Failed))
    assert len({first, second, os.getpid()}) == 3
    assert (threads, others) == (1, 1)


def test_one_at_a_time_stays_here() -> None:
    ((_, result),) = side_by_side(where, [0.0], 1)
    assert not isinstance(result, Failed)
    assert result[0] == os.getpid()


def test_at_least_one_at_a_time() -> None:
    with pytest.raises(ValueError, match="jobs is 0; it must be at least 1"):
        list(side_by_side(square, [1], 0))
