"""Steps of the toy distillation, as they are against as they were at an earlier commit.

Both run on one thread in processes of their own, with the same seeds, and take turns round by round.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
SCRIPT: Final = Path(__file__).with_name("toy_steps.py")
BEFORE: Final = "798b726"
"""The commit before there were engines, with which steps are compared."""
OVERRIDES: Final = ()
"""Of this tree's config."""
ROUNDS: Final = 20
"""Of each; the first, in which caches fill, does not count."""


@contextmanager
def tree_of(commit: str, repository: Path = ROOT) -> Iterator[Path]:
    """The files of a commit, in a folder that goes away afterwards.

    Raises:
        ValueError: there is no such commit here.
    """
    done = subprocess.run(["git", "-C", str(repository), "archive", commit], capture_output=True, check=False)  # noqa: S603, S607
    if done.returncode:
        reason = done.stderr.decode().strip()
        raise ValueError(f"training: {commit!r} is given ({reason}); allowed: a commit of {repository}")
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)


@contextmanager
def rounds_in(tree: Path, rounds: int, overrides: Sequence[str], script: Path = SCRIPT) -> Iterator[Iterator[Any]]:
    """What each round in a tree took, done when it is asked for."""
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(rounds), *overrides]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=tree, env=environment, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        try:
            yield (turn(process) for _ in range(rounds))
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # it may have ended by itself
                process.stdin.close()


def turn(process: "subprocess.Popen[str]") -> Any:
    """Let a process do a round, and hear what it took.

    Raises:
        ValueError: the process has ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # the line that does not come tells it, too
    if not (line := process.stdout.readline()):
        raise ValueError("training: the process ended without a round; above is why")
    return json.loads(line)


def compared(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians of both, and how many times as fast rounds are, from those done side by side."""
    ratios = [sum(old["seconds"]) / sum(new["seconds"]) for old, new in zip(before, now, strict=True)]
    apart = [abs(old - new) / abs(old) for old, new in zip(before[0]["losses"], now[0]["losses"], strict=True)]
    return {
        "before": summary(before[1:]),
        "now": summary(now[1:]),
        "rounds_times_as_fast": statistics.median(ratios[1:]),
        "rounds_times_as_fast_from_to": [min(ratios[1:]), max(ratios[1:])],
        "losses_of_first_round_apart": max(apart),
    }


def summary(rounds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of a student's step, of a fake score's, and of a round, in the median; gigabytes of the process."""
    return {
        "student_step_seconds": statistics.median(done["seconds"][0] for done in rounds),
        "fake_score_step_seconds": statistics.median(step for done in rounds for step in done["seconds"][1:]),
        "round_seconds": statistics.median(sum(done["seconds"]) for done in rounds),
        "resident_gb": rounds[-1]["resident_gb"],
    }


def training(commit: str = BEFORE, *, rounds: int = ROUNDS, overrides: Sequence[str] = OVERRIDES) -> dict[str, Any]:
    """The toy distillation of a commit and of this tree, in turns.

    Args:
        commit: what it was.
        rounds: of each.
        overrides: of this tree's config.
    """
    with (
        tree_of(commit) as tree,
        rounds_in(tree, rounds, ()) as before,
        rounds_in(ROOT, rounds, overrides) as now,
    ):
        pairs = [*zip(before, now, strict=True)]
    told = compared([old for old, _ in pairs], [new for _, new in pairs])
    return {"against": commit, "overrides": [*overrides], "rounds": rounds, **told}
