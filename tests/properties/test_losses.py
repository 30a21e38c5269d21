"""What must hold for every loss under configs/loss: a new one is tested before its author writes a test."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.losses.protocols import FakeScoreWeighting, LossStrategy
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores
from tests.tiny import apart, judged, normal

NAMES = sorted(options("loss"))
BATCH = 5
ORDER = torch.tensor([3, 0, 4, 1, 2])


@pytest.fixture(params=NAMES, scope="module")
def loss(request: pytest.FixtureRequest) -> LossStrategy:
    built = build(compose([f"loss={request.param}"]), "loss")
    assert isinstance(built, LossStrategy)
    return built


def latents(seed: int) -> Tensor:
    """Of the size that the toy codec decodes."""
    return normal(BATCH, 2, 6, 8, 8, seed=seed)


def samples(scale: float = 1.0) -> Samples:
    """Two prompts, all noise levels."""
    return judged(
        normal(BATCH) * scale, sigma=torch.linspace(0, 1, BATCH), prompts=("red", "blue", "red", "red", "blue")
    )


def gradient(loss: LossStrategy, clean: Tensor, scores: Scores, judged: Samples) -> Tensor:
    clean = clean.clone().requires_grad_()
    return torch.autograd.grad(loss(clean, scores, judged), clean)[0]


def only_gap(loss: LossStrategy) -> None:
    """Go on if the loss follows the score gap and nothing else."""
    if loss.traits.differentiates:
        pytest.skip(f"also follows {', '.join(loss.traits.differentiates)}")


def test_the_losses_of_the_paper_are_there() -> None:
    assert {"dmd", "re_dmd", "clipped_re_dmd", "self_normalised_re_dmd"} <= set(NAMES)


def test_it_is_a_value(loss: LossStrategy) -> None:
    value: Any = loss
    assert hash(value) == hash(dataclasses.replace(value))


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
def test_weights_are_finite_and_not_negative_unless_they_say_so(loss: LossStrategy, scale: float) -> None:
    weights = loss.weights(samples(scale))
    assert weights.shape == (BATCH,)
    assert weights.isfinite().all()
    assert loss.traits.signed or bool((weights >= 0).all() and weights.sum() > 0)


def test_signed_weights_do_turn_negative(loss: LossStrategy) -> None:
    assert loss.traits.signed == bool((loss.weights(samples(100.0)) < 0).any())


def test_rewards_of_nothing_count_one(loss: LossStrategy) -> None:
    assert_close(loss.weights(samples(0.0)), torch.ones(BATCH))


def test_a_higher_reward_never_counts_less(loss: LossStrategy) -> None:
    weights = loss.weights(judged(torch.linspace(-2, 2, BATCH)))
    assert (weights.diff() >= 0).all()


def test_the_order_of_samples_does_not_matter(loss: LossStrategy) -> None:
    clean, gap, given = latents(1), latents(2), samples()
    prompts = tuple(given.prompts[index] for index in ORDER.tolist())
    mixed = dataclasses.replace(given, rewards=given.rewards[ORDER], sigma=given.sigma[ORDER], prompts=prompts)
    assert_close(loss.weights(mixed), loss.weights(given)[ORDER])
    assert_close(loss(clean[ORDER], apart(gap[ORDER]), mixed), loss(clean, apart(gap), given))


def test_samples_are_weighed_alone_unless_it_compares(loss: LossStrategy) -> None:
    """What one sample weighs when the reward of another rises."""
    given = judged(torch.tensor([1.0, 0.4, 0.3, 0.2, 0.1]))
    higher = judged(torch.tensor([1.0, 0.4, 0.3, 0.2, 0.9]))
    same = torch.allclose(loss.weights(given)[:4], loss.weights(higher)[:4])
    assert same != loss.traits.compares


@pytest.mark.parametrize("cut", [1, 3])
def test_the_ranks_losses_make_up_the_whole(loss: LossStrategy, cut: int) -> None:
    """Every rank weighs its own samples among all of them."""
    clean, gap, given = latents(1), latents(2), samples()
    whole, total = loss(clean, apart(gap), given), torch.zeros(())
    for own in (slice(0, cut), slice(cut, BATCH)):
        part = loss(clean[own], apart(gap[own]), dataclasses.replace(given, own=own))
        total = total + part * len(clean[own]) / BATCH
    assert_close(total, whole)


def test_rewards_only_rescale_the_gap_of_each_sample(loss: LossStrategy) -> None:
    only_gap(loss)
    clean, gap, given = latents(1), latents(2), samples()
    weights = loss.weights(given)[:, None, None, None, None]
    assert_close(gradient(loss, clean, apart(gap), given), weights * gap / gap.numel(), atol=1e-6, rtol=1e-4)


def test_no_gap_is_no_loss(loss: LossStrategy) -> None:
    only_gap(loss)
    clean = latents(1)
    none = apart(torch.zeros_like(clean))
    assert loss(clean, none, samples()) == 0
    assert not gradient(loss, clean, none, samples()).any()


def test_it_is_a_finite_scalar_and_pure(loss: LossStrategy) -> None:
    clean, gap, given = latents(1), latents(2), samples()
    copies = [tensor.clone() for tensor in (clean, gap, given.rewards)]
    first, second = loss(clean, apart(gap), given), loss(clean, apart(gap), given)
    assert first.shape == ()
    assert first.isfinite()
    assert torch.equal(first, second)
    assert all(torch.equal(*pair) for pair in zip(copies, (clean, gap, given.rewards), strict=True))


def test_rewards_get_no_gradient(loss: LossStrategy) -> None:
    rewards = normal(BATCH).requires_grad_()
    loss(latents(1).requires_grad_(), apart(latents(2)), judged(rewards)).backward()
    assert rewards.grad is None


def test_scores_get_gradients_only_where_it_says_so(loss: LossStrategy) -> None:
    gap = latents(2).requires_grad_()
    loss(latents(1).requires_grad_(), apart(gap), samples()).backward()
    assert (gap.grad is not None) == ("scores" in loss.traits.differentiates)


def test_weights_of_the_fake_score_are_finite_and_not_negative(loss: LossStrategy) -> None:
    if isinstance(loss, FakeScoreWeighting):
        weights = loss.fake_score_weights(samples(20.0))
        assert weights.isfinite().all()
        assert (weights >= 0).all()
        assert_close(loss.fake_score_weights(samples(0.0)), torch.ones(BATCH))
