"""A reward may be a black box: it is asked about finished samples, and no gradient goes through it (section 3.3)."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.losses.protocols import LossStrategy
from tests import training
from tests.claims.losses import Noted

LOSSES: dict[str, LossStrategy] = {name: build(compose([f"loss={name}"]), "loss") for name in options("loss")}
WEIGHTED = sorted(name for name, loss in LOSSES.items() if "reward" not in loss.traits.differentiates)
"""All but those that ask for a reward of their own, which say so."""


class BlackBox(torch.autograd.Function):
    """Cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, rewards: Tensor) -> Tensor:  # noqa: ARG004 (autograd's name)
        return rewards.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        raise RuntimeError("the reward was differentiated")


class Judge(nn.Module):
    """Would take part in a gradient, if anything asked for one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.differentiable: list[bool] = []

    def forward(self, clean: Tensor, prompts: Any) -> Tensor:
        assert len(prompts) == len(clean)
        self.differentiable.append(clean.requires_grad)
        rewards: Tensor = BlackBox.apply(self.scale * clean.mean((1, 2, 3, 4)))
        assert rewards.requires_grad
        return rewards


def test_a_black_box_would_be_noticed() -> None:
    rewards = Judge()(torch.randn(2, 3, 2, 4, 4), ["red", "blue"])
    with pytest.raises(RuntimeError, match="the reward was differentiated"):
        rewards.sum().backward()


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_training_step_never_asks_a_reward_for_a_gradient(name: str) -> None:
    judge, noted = Judge(), Noted(LOSSES[name])
    module = training.distillation(noted, fake_score_steps=1)
    module.frozen.reward = judge
    before = [parameter.clone() for parameter in module.student.parameters()]
    training.fit(module, 3)
    assert judge.differentiable
    assert not any(judge.differentiable)
    assert judge.scale.grad is None
    assert not any(step.samples.rewards.requires_grad for step in noted.steps)
    assert not all(torch.equal(*pair) for pair in zip(before, module.student.parameters(), strict=True))


def test_the_papers_losses_are_among_them() -> None:
    assert {"dmd", "re_dmd", "official"} <= set(WEIGHTED)
