"""Where weighted losses come to rest, in one dimension: the teacher is a standard normal, the reward is x itself."""

import math

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.protocols import FakeScoreWeighting, LossStrategy
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.weighted_fake_score import WeightedFakeScore
from tests.tiny import apart, judged, normal


def resting_place(loss: LossStrategy) -> float:
    """The mean at which a student N(mean, 1) stays, the fake score's mean being fitted to its weighted samples."""
    noise = normal(4000)
    noise = (noise - noise.mean()) / noise.std()
    mean = torch.zeros(())
    for _ in range(300):
        samples = judged(noise + mean)
        weights = loss.fake_score_weights(samples) if isinstance(loss, FakeScoreWeighting) else torch.ones(len(noise))
        fitted = (weights * samples.rewards).sum() / weights.sum()
        clean = samples.rewards[:, None, None, None, None].clone().requires_grad_()
        loss(clean, apart(fitted.expand_as(clean)), samples).backward()  # scores of equal width differ by a constant
        assert clean.grad is not None
        mean = mean - 0.3 * clean.grad.sum() / loss.weights(samples).mean()
    return float(mean)


def test_weights_alone_leave_the_place_of_rest_where_it_is() -> None:
    """Re-DMD rests at the teacher, if the student can be like it."""
    assert resting_place(ReDMD(beta=0.5)) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("fake_beta", [-0.5, 0.5])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_weighted_fake_score_moves_it_against_its_weights(beta: float, fake_beta: float) -> None:
    """To `N(0, 1) exp(-fake_beta x)`, which is `N(-fake_beta, 1)`."""
    assert resting_place(WeightedFakeScore(beta=beta, fake_beta=fake_beta)) == pytest.approx(-fake_beta, abs=0.06)


def test_both_weights_are_exponential() -> None:
    loss, samples = WeightedFakeScore(beta=2.0, fake_beta=-3.0), judged(torch.tensor([-1.0, 0.0, 0.5]))
    assert isinstance(loss, FakeScoreWeighting)
    assert_close(loss.weights(samples), torch.tensor([math.exp(-2), 1.0, math.e]))
    assert_close(loss.fake_score_weights(samples), torch.tensor([math.exp(3), 1.0, math.exp(-1.5)]))


def test_others_do_not_weigh_the_fake_score() -> None:
    assert not isinstance(ReDMD(beta=1.0), FakeScoreWeighting)
