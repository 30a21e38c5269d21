import torch
from torch.testing import assert_close

from reward_forcing.losses.strategies.dmd import DMD
from tests.tiny import apart, judged, latents, normal


def test_rewards_do_not_count() -> None:
    assert torch.equal(DMD().weights(judged(normal(5))), torch.ones(5))


def test_the_gradient_is_the_gap_over_the_number_of_entries() -> None:
    clean, gap = latents(2, 3, 1).requires_grad_(), latents(2, 3, 2)
    DMD()(clean, apart(gap), judged(normal(2))).backward()
    assert clean.grad is not None
    assert_close(clean.grad, gap / gap.numel(), atol=1e-8, rtol=1e-5)
