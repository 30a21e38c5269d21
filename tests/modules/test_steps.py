from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.modules.steps import (
    Batch,
    RateSchedule,
    Recipe,
    is_student_turn,
    micro_batches,
    prefixed,
    update_average,
)
from tests import training


def test_rate_rises_stays_and_falls() -> None:
    rate = RateSchedule(warmup=4, total=100, fall=0.5, floor=0.1)
    assert [rate(step) for step in (0, 1, 4, 50)] == [0.2, 0.4, 1.0, 1.0]
    assert rate(75) == pytest.approx(0.5)
    assert rate(99) == rate(1000) == 0.1


@given(step=st.integers(0, 500), warmup=st.integers(0, 20), fall=st.floats(0, 1))
def test_rate_is_a_share(step: int, warmup: int, fall: float) -> None:
    assert 0 <= RateSchedule(warmup=warmup, total=300, fall=fall)(step) <= 1


@pytest.mark.parametrize("wrong", [{"fall": 1.5}, {"floor": -0.1}, {"warmup": -1}, {"total": 0}])
def test_rate_rejects(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"rate\."):
        RateSchedule(**wrong)  # type: ignore[arg-type]


def test_turns_are_one_student_step_then_the_fake_scores() -> None:
    assert [is_student_turn(step, 5) for step in range(13)] == [step in (0, 6, 12) for step in range(13)]


def test_micro_batches_partition_a_batch() -> None:
    batch: Batch = {"latents": torch.arange(6), "prompts": list("abcdef")}
    parts = list(micro_batches(batch, 3))
    assert [part["prompts"] for part in parts] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert torch.equal(torch.cat([part["latents"] for part in parts]), batch["latents"])
    with pytest.raises(ValueError, match=r"recipe\.micro_batches is 4; it must divide the batch of a rank \(6\)"):
        list(micro_batches(batch, 4))


@pytest.mark.parametrize("wrong", [{"gradient_clip": 0.0}, {"gradient_clip": 1.0, "micro_batches": 0}])
def test_recipe_rejects(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"recipe\."):
        Recipe(optimizer=torch.optim.SGD, **wrong)  # type: ignore[arg-type]


def test_average_moves_towards_the_network() -> None:
    average, network = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = 0.75 * average.weight.detach() + 0.25 * network.weight.detach()
    update_average(average, network, 0.75)
    torch.testing.assert_close(average.weight.detach(), expected)


def test_prefix_names_the_network() -> None:
    assert prefixed("student", {"loss": torch.tensor(1.0)}) == {"student/loss": torch.tensor(1.0)}


def test_learning_rate_follows_the_schedule_and_gradients_are_clipped() -> None:
    reports = training.Reports()
    training.fit(training.pretraining(), 12, reports)
    rates = [float(report["teacher/learning_rate"]) for report in reports.all]
    expected = RateSchedule(total=12, fall=0.5)
    assert rates == pytest.approx([1e-2 * expected(step) for step in range(12)])


def test_a_step_accumulates_its_micro_batches() -> None:
    """Two micro-batches of the same clip and noise give the gradient of one."""
    module = training.pretraining(micro_batches=2)
    reports = training.Reports()
    training.fit(module, 1, reports, batch=4)
    batch = next(iter(training.StepLoader(4)))
    fresh = training.pretraining()
    halves = [fresh._loss(part, (0, index, 0))["loss"] for index, part in enumerate(micro_batches(batch, 2))]
    torch.stack(halves).mean().backward()
    gradients = [parameter.grad.norm() for parameter in fresh.teacher.parameters() if parameter.grad is not None]
    torch.testing.assert_close(reports.all[0]["teacher/gradient_norm"], torch.stack(gradients).norm())
    torch.testing.assert_close(reports.all[0]["teacher/loss"], torch.stack(halves).mean().detach())


@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_a_long_gradient_is_cut_and_a_short_one_left(clip: float) -> None:
    """With plain gradient descent at rate 1, the weights move by the clipped gradient."""
    module, reports = training.pretraining(), training.Reports()
    module.recipe = Recipe(optimizer=partial(torch.optim.SGD, lr=1.0), gradient_clip=clip)
    before = [parameter.detach().clone() for parameter in module.teacher.parameters()]
    training.fit(module, 1, reports)
    moves = [(new.detach() - old).norm() for old, new in zip(before, module.teacher.parameters(), strict=True)]
    norm = reports.all[0]["teacher/gradient_norm"]
    torch.testing.assert_close(torch.stack(moves).norm(), norm.clamp(max=clip), rtol=1e-3, atol=1e-6)
    assert norm > 1e-3


@given(decay=st.floats(0, 1), updates=st.integers(1, 6))
def test_closed_form_of_the_average(decay: float, updates: int) -> None:
    average, network = torch.nn.Linear(1, 1).double(), torch.nn.Linear(1, 1).double()
    start = average.weight.item()
    for value in range(updates):
        torch.nn.init.constant_(network.weight, value)
        update_average(average, network, decay)
    expected = decay**updates * start + sum(
        (1 - decay) * decay ** (updates - 1 - value) * value for value in range(updates)
    )
    assert average.weight.item() == pytest.approx(expected, abs=1e-9)
