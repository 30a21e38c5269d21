"""Freed memory is kept: asking for it again makes no new pages. Counted, not timed."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
from reward_forcing.allocation import keep_in_huge_pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

as_it_is = [faults() for _ in range(3)][-1]
kept = keep_in_huge_pages(int(sys.argv[1]))
print(kept, as_it_is, [faults() for _ in range(3)][-1])
"""
"""Of processes of its own, as what it changes lasts."""


def told(size: int) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(size)], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with glibc")
def test_pages_are_made_once() -> None:
    kept, before, after = told(2 * 10**8)
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    assert kept == str(huge.exists())
    assert int(before) > 10_000
    assert int(after) < 50


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with glibc")
def test_more_than_there_can_be_is_not_had() -> None:
    kept, _, after = told(2**62)
    assert kept == "False"
    assert int(after) < 50


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from reward_forcing.allocation import keep_in_huge_pages

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_in_huge_pages(10**8)
