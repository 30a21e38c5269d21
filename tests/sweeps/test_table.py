from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.table import columns, remarks, tell


def result(name: str, state: Any, note: str = "", **scalars: float) -> tuple[Job, Outcome]:
    config = OmegaConf.create({"run_dir": f"runs/{name}", "trainer": {}})
    given = {key.replace("_", "/", 1): value for key, value in scalars.items()}
    return Job(config, (), f"sink={name}"), Outcome(Path(f"runs/{name}"), 3, state, 1.25, given, note)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["finished", "finished before", "taken over"], 0),
        (["finished", "failed"], 1),
        (["failed", "stopped", "not started"], 130),
        (["finished", "not started"], 130),
    ],
)
def test_the_exit_status(states: list[str], status: int) -> None:
    assert tell([result(str(index), state) for index, state in enumerate(states)], "again") == status


def test_failures_and_what_was_taken_over_are_told_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    done = [result("a", "failed", "ValueError: [no]"), result("b", "taken over", "from x"), result("c", "finished")]
    assert remarks(done) == ["failed: sink=a: ValueError: [no]", "taken over: sink=b: from x"]
    tell(done, "again")
    assert "failed: sink=a: ValueError: [no]" in capsys.readouterr().out


def test_a_stopped_sweep_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    tell([result("a", "stopped"), result("b", "stopped"), result("c", "not started")], "reward-forcing train -m x")
    assert "Stopped after step 3, 3. To continue: reward-forcing train -m x" in capsys.readouterr().out


def test_losses_and_rewards_get_columns(capsys: pytest.CaptureFixture[str]) -> None:
    done = [result("a", "finished", student_loss=0.12345, student_reward=2.0), result("b", "finished", other_loss=1.0)]
    assert columns([outcome for _, outcome in done]) == ["student/loss", "student/reward", "other/loss"]
    assert columns([Outcome(Path("x"), 1, "finished", 1.0, {"student/gradient_norm": 1.0})]) == []
    tell(done, "again")
    assert "0.123" in capsys.readouterr().out
