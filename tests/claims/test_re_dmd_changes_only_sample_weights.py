"""Re-DMD is DMD whose gradient is multiplied by exp(beta * reward), and nothing else (section 3.3)."""

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests import training
from tests.claims.losses import Step, trained

BETA = 3.0


@pytest.fixture(scope="module")
def steps() -> tuple[Step, Step]:
    """The same turn of the student's with both losses."""
    plain, rewarded = (trained(loss)[1] for loss in (DMD(), ReDMD(beta=BETA)))
    return plain[0], rewarded[0]


def test_the_same_samples_are_compared_and_judged_alike(steps: tuple[Step, Step]) -> None:
    plain, rewarded = steps
    assert torch.equal(plain.clean, rewarded.clean)
    assert torch.equal(plain.scores.gap, rewarded.scores.gap)
    assert torch.equal(plain.samples.rewards, rewarded.samples.rewards)


def test_the_gradient_of_a_sample_is_its_weight_times_that_of_dmd(steps: tuple[Step, Step]) -> None:
    plain, rewarded = steps
    assert plain.clean.grad is not None
    assert rewarded.clean.grad is not None
    weights = (BETA * plain.samples.rewards).exp()
    assert weights.max() > 1.1 * weights.min(), "samples are judged differently"
    assert_close(plain.clean.grad, plain.scores.gap / plain.scores.gap.numel())
    assert_close(rewarded.clean.grad, weights[:, None, None, None, None] * plain.clean.grad)


def test_the_fake_score_learns_the_same() -> None:
    """It follows the student, however samples were weighted: with students that stand still, fake scores are equal."""
    plain, rewarded = (trained(loss, 3, learning_rate=0.0)[0] for loss in (DMD(), ReDMD(beta=BETA)))
    pairs = zip(plain.fake_score.parameters(), rewarded.fake_score.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    fresh = training.distillation().fake_score.parameters()
    assert not all(torch.equal(*pair) for pair in zip(fresh, plain.fake_score.parameters(), strict=True))
