import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.toy_steps import Rounds, most_resident
from benchmarks.training import compared, rounds_in, tree_of
from tests import training

ECHO = """
import json, sys
for number, _ in enumerate(sys.stdin):
    print(json.dumps({"round": number, "given": sys.argv[1:]}), flush=True)
    if number == 1:
        sys.exit()
"""


def a_round(*seconds: float, loss: float = 1.0) -> dict[str, Any]:
    return {"seconds": seconds, "losses": [loss] * len(seconds), "resident_gb": 1.0}


def test_rounds_are_compared_with_those_beside_them() -> None:
    before = [a_round(9, 9), a_round(3, 1), a_round(6, 2), a_round(3, 1)]
    now = [a_round(1, 1, loss=1.5), a_round(1, 1), a_round(2, 2), a_round(2, 2)]
    told = compared(before, now)
    assert told["rounds_times_as_fast"] == 2, "the first does not count"
    assert told["rounds_times_as_fast_from_to"] == [1, 2]
    assert told["before"] == {
        "student_step_seconds": 3,
        "fake_score_step_seconds": 1,
        "round_seconds": 4,
        "resident_gb": 1,
    }
    assert told["losses_of_first_round_apart"] == 0.5


def test_the_files_of_a_commit_go_away_again(tmp_path: Path) -> None:
    with tree_of("HEAD") as tree:
        assert (tree / "src" / "reward_forcing" / "flow.py").is_file()
    assert not tree.exists()
    with (
        pytest.raises(ValueError, match=r"training: 'HEAD' is given .*; allowed: a commit of"),
        tree_of("HEAD", tmp_path),
    ):
        pass


def test_a_process_does_a_round_when_it_is_asked_for_one(tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    with rounds_in(tmp_path, 3, ["loss=dmd"], script) as rounds:
        assert next(rounds) == {"round": 0, "given": ["3", "loss=dmd"]}
        assert next(rounds)["round"] == 1
        with pytest.raises(ValueError, match="the process ended without a round"):
            next(rounds)


def test_a_round_is_a_step_of_the_student_and_those_that_follow() -> None:
    told = io.StringIO()
    training.fit(training.distillation(fake_score_steps=2), 6, Rounds(3, io.StringIO("\n\n"), told))
    rounds = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [len(done["seconds"]) for done in rounds] == [3, 3]
    assert [len(done["losses"]) for done in rounds] == [3, 3]
    assert min(min(done["seconds"]) for done in rounds) > 0
    assert rounds[0]["losses"] != rounds[1]["losses"]


def test_memory_is_this_processs_own() -> None:
    """Not that of a larger process that started it."""
    script = "from benchmarks.toy_steps import most_resident; print(most_resident())"
    large = bytearray(b"x" * 1_500_000_000)
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 50e6 < int(told) < 1.4e9 < most_resident()
    assert len(large) == 1_500_000_000
