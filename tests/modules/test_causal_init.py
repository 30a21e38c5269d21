from functools import partial

import pytest
import torch
from torch import nn

from reward_forcing.modules.causal_init import CausalInitialization
from reward_forcing.modules.initialisation import DiffusionForcing, ODERegression
from reward_forcing.modules.steps import Recipe
from tests import tiny, training


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().clone().flatten() for parameter in network.parameters()])


def loss(module: CausalInitialization, *key: int) -> torch.Tensor:
    value: torch.Tensor = module._loss(next(iter(training.StepLoader(2))), key)["loss"]
    return value


def test_the_student_starts_as_it_was_given() -> None:
    module = training.causal_init()
    assert torch.equal(weights(module.student), weights(tiny.network()))
    assert torch.equal(weights(module.student_ema), weights(module.student))
    assert not any(parameter.requires_grad for parameter in module.student_ema.parameters())


def test_a_step_moves_the_student_and_not_its_average() -> None:
    module = training.causal_init()
    before = weights(module.student)
    reports = training.Reports()
    training.fit(module, 2, reports)
    assert not torch.equal(weights(module.student), before)
    assert torch.equal(weights(module.student_ema), before)
    names = {"student/loss", "student/gradient_norm", "student/learning_rate", "student/skipped"}
    assert [set(report) for report in reports.all] == [names, names]


def test_randomness_is_a_function_of_seed_step_rank_and_part() -> None:
    module = training.causal_init()
    first = loss(module, 3, 0, 0)
    assert torch.equal(loss(module, 3, 0, 0), first)
    for other in [(4, 0, 0), (3, 1, 0), (3, 0, 1)]:
        assert not torch.equal(loss(module, *other), first)
    module.seed = 1
    assert not torch.equal(loss(module, 3, 0, 0), first)


@pytest.mark.parametrize(
    "objective",
    [DiffusionForcing(chunk_frames=2, window_frames=None, shift=3.0), ODERegression(chunk_frames=2, levels=(1.0, 0.5))],
    ids=lambda objective: type(objective).__name__,
)
def test_learning_one_batch_by_heart(objective: DiffusionForcing | ODERegression) -> None:
    recipe = Recipe(optimizer=partial(torch.optim.AdamW, lr=3e-3), gradient_clip=10.0)
    module = CausalInitialization(
        student=tiny.network(), objective=objective, text=training.Words(), recipe=recipe, seed=0
    )
    before = loss(module, 0, 0, 0)
    optimizer = recipe.optimizer(module.student.named_parameters())
    for _ in range(15):
        optimizer.zero_grad()
        loss(module, 0, 0, 0).backward()
        optimizer.step()
    assert loss(module, 0, 0, 0) < 0.8 * before


def test_what_it_exports() -> None:
    module = training.causal_init()
    assert module.exports() == {"initial_student": module.student_ema}
    assert module.averaged() == [("student", module.student_ema, module.student)]
