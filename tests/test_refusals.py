"""What errors mean at the command line; each is a real one."""

import errno
import os
from pathlib import Path

import pytest
import torch

from reward_forcing.refusals import BROKEN, REFUSED, explained

AGAIN = "make room, then give the same command again: what was finished is kept"


def caught(kind: type[Exception], action: object) -> Exception:
    assert callable(action)
    with pytest.raises(kind) as error:
        action()
    return error.value


def test_values_say_it_themselves() -> None:
    assert explained(ValueError("sink.decay is 2")) == (REFUSED, "sink.decay is 2")


def test_files_are_named(tmp_path: Path) -> None:
    error = caught(FileNotFoundError, (tmp_path / "none" / "file").touch)
    told = explained(error)
    assert told is not None
    assert told[0] == REFUSED
    assert f"{tmp_path}/none/file: No such file or directory; allowed: " in told[1]


def test_a_full_disk_is_no_fault_of_the_command() -> None:
    def fill() -> None:
        with open("/dev/full", "wb") as full:  # noqa: PTH123
            full.write(b"x")

    system = caught(OSError, fill)
    assert isinstance(system, OSError)
    assert system.errno == errno.ENOSPC
    assert explained(system) == (BROKEN, f"No space left on device; {AGAIN}")
    named = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.mkv")
    assert explained(named) == (BROKEN, f"a.mkv: No space left on device; {AGAIN}")


def test_short_memory_comes_with_advice() -> None:
    error = caught(RuntimeError, lambda: torch.empty(10**15))
    told = explained(error)
    assert told is not None
    assert told[0] == BROKEN
    assert "micro_batches=2" in told[1]
    assert "--batch 1" in told[1]
    assert explained(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")) is not None
    assert explained(MemoryError()) is not None


def test_huge_values_are_not_repeated() -> None:
    told = explained(ValueError(f"prompt {'x' * 10**6} is wrong"))
    assert told is not None
    assert len(told[1]) < 3100
    assert told[1].startswith("prompt xxx")
    assert told[1].endswith("xxx is wrong")


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), KeyError("x"), OSError("odd"), TypeError("3")])
def test_bugs_stay_tracebacks(error: Exception) -> None:
    assert explained(error) is None
