from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.modules.steps import is_student_turn
from tests import training


class Follows(training.Reports):
    """Keeps the student's weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *rest: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, *rest)
        self.weights.append(flat(pl_module.student))


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().clone().flatten() for parameter in network.parameters()])


def test_the_average_is_the_closed_form_over_the_students_own_turns() -> None:
    module, follows, decay = training.distillation(), Follows(), 0.7
    expected = flat(deepcopy(module.student))
    training.fit(module, 7, follows, WeightEMA(decay=decay))
    turns = [step for step in range(7) if is_student_turn(step, module.fake_score_steps)]
    assert turns == [0, 3, 6]
    for step in turns:
        expected = decay * expected + (1 - decay) * follows.weights[step]
    assert_close(flat(module.student_ema), expected, atol=1e-6, rtol=1e-5)


def test_until_the_start_step_it_is_a_copy() -> None:
    module = training.distillation()
    training.fit(module, 4, WeightEMA(decay=0.99, start_step=10))
    assert torch.equal(flat(module.student_ema), flat(module.student))


def test_a_decay_of_one_stays_where_it_started() -> None:
    module = training.distillation()
    before = flat(module.student_ema)
    training.fit(module, 4, WeightEMA(decay=1.0))
    assert torch.equal(flat(module.student_ema), before)
    assert not torch.equal(flat(module.student), before)


@pytest.mark.parametrize(
    ("steps", "decay"), [(1, 0.0), (2, 0.0), (3, 3 / 13), (10, 0.5), (90, 0.9), (1000, 0.95), (10**6, 0.95)]
)
def test_a_ramp_keeps_the_average_young(steps: int, decay: float) -> None:
    assert WeightEMA(decay=0.95, start_step=2, ramp=10).decay_after(steps) == pytest.approx(decay)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"decay": 1.5}, r"student_ema\.decay is 1\.5; it must be within \[0, 1\]"),
        ({"decay": -0.1}, r"student_ema\.decay is -0\.1"),
        ({"decay": 0.9, "start_step": -1}, r"student_ema\.start_step is -1; it must be at least 0"),
        ({"decay": 0.9, "ramp": -5}, r"student_ema\.ramp is -5"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WeightEMA(**wrong)
