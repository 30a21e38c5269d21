import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests.tiny import apart, judged, latents, normal


@given(beta=st.floats(0, 4), seed=st.integers(0, 9))
def test_the_gradient_is_the_gap_times_exp_beta_reward(beta: float, seed: int) -> None:
    clean, gap, rewards = latents(3, 2, seed).requires_grad_(), latents(3, 2, seed + 1), normal(3, seed=seed)
    ReDMD(beta=beta)(clean, apart(gap), judged(rewards)).backward()
    assert clean.grad is not None
    for sample in range(3):
        expected = math.exp(beta * rewards[sample].item()) * gap[sample] / gap.numel()
        assert_close(clean.grad[sample], expected, atol=1e-6, rtol=1e-4)


def test_beta_zero_is_dmd_bit_for_bit() -> None:
    losses, gradients = [], []
    for strategy in (ReDMD(beta=0.0), DMD()):
        clean = latents(4, 3, 1).requires_grad_()
        loss = strategy(clean, apart(latents(4, 3, 2)), judged(normal(4) * 10))
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, clean)[0])
    assert torch.equal(*losses)
    assert torch.equal(*gradients)


@given(beta=st.floats(0, 3), batch=st.integers(1, 5))
def test_a_batch_is_the_mean_of_its_samples(beta: float, batch: int) -> None:
    strategy, clean, gap, rewards = ReDMD(beta=beta), latents(batch, 2, 1), latents(batch, 2, 2), normal(batch)
    singles = [strategy(clean[[i]], apart(gap[[i]]), judged(rewards[[i]])) for i in range(batch)]
    assert_close(strategy(clean, apart(gap), judged(rewards)), torch.stack(singles).mean())


def test_the_reward_is_not_differentiated() -> None:
    rewards = normal(2).requires_grad_()
    clean = latents(2, 2, 1).requires_grad_()
    ReDMD(beta=2.0)(clean, apart(latents(2, 2, 2)), judged(rewards)).backward()
    assert rewards.grad is None
    assert clean.grad is not None


def test_beta_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"loss\.beta is -1; it must be at least 0 \(0 is DMD\)"):
        ReDMD(beta=-1)
