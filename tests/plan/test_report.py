"""Plans in words."""

from typing import Any

import pytest

from reward_forcing import train
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.report import described, gigabytes, require_fit

ONE_GPU = ("experiments=reward_forcing_1_3b_one_gpu", "hardware=h100")


def values(*overrides: str) -> dict[str, Any]:
    composed: dict[str, Any] = plain(compose(overrides))
    return composed


def test_a_table_lists_roles_phases_and_what_is_assumed() -> None:
    told = require_fit(values(*ONE_GPU))
    for word in ("student_ema", "fake_score", "teacher", "1,418,996,800", "(the widest)", "80.00 GB", "40%"):
        assert word in told, word
    assert max(map(len, told.splitlines()[:-1])) <= 140
    assert "PFLOP a step" in told


def test_what_cannot_fit_is_refused_with_savings() -> None:
    with pytest.raises(ValueError, match="hardware.memory_gb is 40.0. To change:") as error:
        require_fit(values(*ONE_GPU, "hardware.memory_gb=40"))
    message = str(error.value)
    assert "plan: the run needs 7" in message
    assert "more GPUs, sharded: trainer=sharded" in message
    assert message.count(" GB  ") == message.count("\n")


def test_a_small_run_says_nothing_or_a_line() -> None:
    assert require_fit(values()) == ""
    assert described(values()).startswith("plan: 2.75 million parameters, peak ")
    assert "\n" not in described(values())
    assert "a codec's training fits anywhere" in described(values("experiments=toy_codec"))


def test_a_plan_that_does_not_fit_can_be_looked_at() -> None:
    told = described(values(*ONE_GPU, "hardware.memory_gb=40"))
    assert "student_ema" in told
    assert "To change:" in told


def test_unknown_memory_fits_and_says_so() -> None:
    assert "unknown memory" in require_fit(values(ONE_GPU[0], "hardware=cpu"))


def test_numbers() -> None:
    assert [gigabytes(size) for size in (0, 1e9, 12.345e9)] == ["-", "1.00", "12.35"]


def test_the_command_shows_a_plan_and_touches_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train.main([*ONE_GPU, "--plan"]) == 0
    told = capsys.readouterr().out
    assert "fake_score" in told
    assert not list(tmp_path.iterdir())
