"""What must hold for every loss under configs/loss: a new one is tested before its author writes a test."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.losses.protocols import LossStrategy
from tests.tiny import latents, normal

NAMES = sorted(options("loss"))
BATCH = 5


@pytest.fixture(params=NAMES, scope="module")
def loss(request: pytest.FixtureRequest) -> LossStrategy:
    built = build(compose([f"loss={request.param}"]), "loss")
    assert isinstance(built, LossStrategy)
    return built


def gradient(loss: LossStrategy, clean: Tensor, gap: Tensor, rewards: Tensor) -> Tensor:
    clean = clean.clone().requires_grad_()
    return torch.autograd.grad(loss(clean, gap, rewards), clean)[0]


def test_the_losses_of_the_paper_are_there() -> None:
    assert {"dmd", "re_dmd", "clipped_re_dmd", "self_normalised_re_dmd"} <= set(NAMES)


def test_it_is_a_value(loss: LossStrategy) -> None:
    value: Any = loss
    assert hash(value) == hash(dataclasses.replace(value))


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
def test_weights_are_finite_and_not_negative(loss: LossStrategy, scale: float) -> None:
    weights = loss.weights(normal(BATCH) * scale)
    assert weights.shape == (BATCH,)
    assert weights.isfinite().all()
    assert (weights >= 0).all()
    assert weights.sum() > 0


def test_equal_rewards_of_nothing_count_one(loss: LossStrategy) -> None:
    assert_close(loss.weights(torch.zeros(BATCH)), torch.ones(BATCH))


def test_a_higher_reward_never_counts_less(loss: LossStrategy) -> None:
    weights = loss.weights(torch.linspace(-2, 2, BATCH))
    assert (weights.diff() >= 0).all()


def test_the_order_of_samples_does_not_matter(loss: LossStrategy) -> None:
    clean, gap, rewards = latents(BATCH, 2, 1), latents(BATCH, 2, 2), normal(BATCH)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert_close(loss.weights(rewards[order]), loss.weights(rewards)[order])
    assert_close(loss(clean[order], gap[order], rewards[order]), loss(clean, gap, rewards))


def test_rewards_only_rescale_the_gap_of_each_sample(loss: LossStrategy) -> None:
    clean, gap, rewards = latents(BATCH, 2, 1), latents(BATCH, 2, 2), normal(BATCH)
    weights = loss.weights(rewards)[:, None, None, None, None]
    assert_close(gradient(loss, clean, gap, rewards), weights * gap / gap.numel(), atol=1e-6, rtol=1e-4)


def test_it_is_a_finite_scalar_and_pure(loss: LossStrategy) -> None:
    clean, gap, rewards = latents(BATCH, 2, 1), latents(BATCH, 2, 2), normal(BATCH)
    copies = [tensor.clone() for tensor in (clean, gap, rewards)]
    first, second = loss(clean, gap, rewards), loss(clean, gap, rewards)
    assert first.shape == ()
    assert first.isfinite()
    assert torch.equal(first, second)
    assert all(torch.equal(*pair) for pair in zip(copies, (clean, gap, rewards), strict=True))


def test_no_gap_is_no_loss(loss: LossStrategy) -> None:
    clean, rewards = latents(BATCH, 2, 1), normal(BATCH)
    assert loss(clean, torch.zeros_like(clean), rewards) == 0
    assert not gradient(loss, clean, torch.zeros_like(clean), rewards).any()


def test_rewards_get_no_gradient(loss: LossStrategy) -> None:
    rewards = normal(BATCH).requires_grad_()
    loss(latents(BATCH, 2, 1).requires_grad_(), latents(BATCH, 2, 2), rewards).backward()
    assert rewards.grad is None
