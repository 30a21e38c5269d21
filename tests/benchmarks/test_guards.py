from typing import Any

import pytest
import torch

from benchmarks import guards
from benchmarks.guards import LIMIT, Clock


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_a_guard_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with every call's types checked, as tests do."""
    monkeypatch.setattr(guards, "STEPS", 4)
    measured = guards.guards()
    assert measured["limit_share"] == LIMIT
    assert measured["share"] == measured["guard_seconds"] / measured["step_seconds"]
    assert 0 < measured["share"] < LIMIT


def test_the_clock_keeps_seconds_and_reports() -> None:
    clock, nothing = Clock(), None
    trainer: Any = nothing
    for step in range(3):
        clock.on_train_batch_start()
        clock.on_train_batch_end(trainer, trainer, {"student/loss": torch.tensor(float(step))})
    assert len(clock.seconds) == 3
    assert min(clock.seconds) >= 0
    assert clock.reported == {"student/loss": torch.tensor(2.0)}
