"""Score identity distillation against closed forms, where data and student are normal distributions."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.flow import add_noise
from reward_forcing.losses.score_gap import Scores, compared
from reward_forcing.losses.strategies.sid import SiD
from tests import tiny
from tests.tiny import judged, normal

LEVEL = 0.4
SIGMA = torch.full((1,), LEVEL)


def estimate(noisy: Tensor, mean: float, deviation: float) -> Tensor:
    """The mean of clean given noisy samples, of normally distributed clean ones."""
    signal = (1 - LEVEL) ** 2 * deviation**2
    gain = signal / (signal + LEVEL**2) / (1 - LEVEL)
    return mean + gain * (noisy - (1 - LEVEL) * mean)


def scores_of(clean: Tensor, noise: Tensor, fake_mean: float, scale: float = 1.0) -> Scores:
    """Of a standard normal teacher and a fake score with another mean."""
    noisy = add_noise(clean, noise, SIGMA.expand(clean.shape[:2]))
    ones = torch.full((len(clean), 1, 1, 1, 1), scale)
    return Scores(estimate(noisy, 0.0, 1.0), estimate(noisy, fake_mean, 1.0), ones)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_value_and_gradient_are_those_of_the_equation(alpha: float) -> None:
    """With r = a x + b e and f = r + m (1 - a (1 - level)), d is a constant, and only `real - x` has a gradient."""
    clean, noise = normal(3, 2, 1, 2, 2, seed=1).requires_grad_(), normal(3, 2, 1, 2, 2, seed=2)
    scores = scores_of(clean, noise, fake_mean=0.7, scale=2.0)
    loss = SiD(alpha=alpha)(clean, scores, judged(normal(3)))
    gain = (1 - LEVEL) / ((1 - LEVEL) ** 2 + LEVEL**2)
    real = gain * ((1 - LEVEL) * clean.detach() + LEVEL * noise)
    d = -0.7 * (1 - gain * (1 - LEVEL))
    assert_close(loss.detach(), (d * (real - clean.detach() - alpha * d) / 2.0).mean())
    loss.backward()
    assert_close(clean.grad, torch.full_like(clean, d * (gain * (1 - LEVEL) - 1) / 2.0 / clean.numel()))


@pytest.mark.parametrize("mean", [-1.0, 0.5])
def test_it_moves_the_student_to_the_teacher(mean: float) -> None:
    """The gradient on the student's mean points away from 0, the teacher's."""
    shift = torch.tensor(mean, requires_grad=True)
    clean = normal(64, 1, 1, 4, 4, seed=1) + shift
    SiD(alpha=1.0)(clean, scores_of(clean, normal(64, 1, 1, 4, 4, seed=2), mean), judged(normal(64))).backward()
    assert shift.grad is not None
    assert torch.sign(shift.grad) == torch.sign(shift.detach())


def test_the_expectation_is_a_fisher_divergence_where_the_fake_score_is_right() -> None:
    """`(1 - alpha) E|d|^2`: the rest has mean zero (the score identity)."""
    clean, noise = normal(4096, 1, 1, 4, 4, seed=1) + 0.7, normal(4096, 1, 1, 4, 4, seed=2)
    scores, samples = scores_of(clean, noise, fake_mean=0.7), judged(normal(4096))
    square = (scores.real - scores.fake).square().mean()
    for alpha in (0.0, 0.5, 1.0):
        assert_close(SiD(alpha=alpha)(clean, scores, samples), (1 - alpha) * square, atol=3e-3, rtol=0)


def test_gradients_go_through_both_networks_and_into_neither() -> None:
    """Against the same equation, differentiated numerically."""
    teacher, fake_score = (tiny.network(seed).double().requires_grad_(requires_grad=False) for seed in (1, 2))
    clean, noise = tiny.latents(1, 1, 1).double(), tiny.latents(1, 1, 2).double()

    def loss(clean: Tensor, scale: Tensor | None = None) -> Tensor:
        scores = compared(
            clean,
            noise,
            SIGMA[None],
            prompt=tiny.prompts(1).double(),
            negative=tiny.prompts(1, 2).double(),
            teacher=teacher,
            fake_score=fake_score,
            guidance_scale=2.0,
            differentiable=True,
        )
        fixed = Scores(scores.real, scores.fake, scores.scale if scale is None else scale)
        return SiD(alpha=1.0)(clean, fixed, judged(normal(1)))

    leaf = clean.clone().requires_grad_()
    loss(leaf).backward()
    assert leaf.grad is not None
    with torch.no_grad():
        scale = (clean - compared_real(clean, noise, teacher)).abs().mean().view(1, 1, 1, 1, 1)
        direction = normal(*clean.shape, seed=9).double()
        step = 1e-4 * direction
        numeric = (loss(clean + step, scale) - loss(clean - step, scale)) / 2e-4
    assert_close((leaf.grad * direction).sum(), numeric, atol=1e-6, rtol=1e-3)


def compared_real(clean: Tensor, noise: Tensor, teacher: torch.nn.Module) -> Tensor:
    """The teacher's estimate under the guidance above."""
    noisy = add_noise(clean, noise, SIGMA[None])
    words = (tiny.prompts(1).double(), tiny.prompts(1, 2).double())
    conditional, unconditional = (noisy - LEVEL * teacher(noisy, SIGMA[None], prompt) for prompt in words)
    real: Tensor = unconditional + 2.0 * (conditional - unconditional)
    return real


def test_alpha_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"loss\.alpha is -1"):
        SiD(alpha=-1.0)
