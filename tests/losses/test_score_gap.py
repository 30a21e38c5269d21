from collections.abc import Callable

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from reward_forcing.flow import add_noise, to_clean
from reward_forcing.losses.score_gap import compared, guided, guided_velocity, weighted_gap
from tests import tiny

Gap = Callable[..., Tensor]


def inputs(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return tiny.latents(batch, 3, 1), tiny.latents(batch, 3, 2), tiny.sigmas(batch, 3)


def gap_of(teacher: nn.Module, fake_score: nn.Module, parts: tuple[Tensor, Tensor, Tensor], **chosen: float) -> Tensor:
    batch = parts[0].shape[0]
    return compared(
        *parts,
        prompt=tiny.prompts(batch, 1),
        negative=tiny.prompts(1, 2).expand(batch, -1, -1),
        teacher=teacher,
        fake_score=fake_score,
        guidance_scale=chosen.get("guidance_scale", 4.0),
    ).gap


def test_guidance_in_the_standard_convention() -> None:
    conditional, unconditional = tiny.latents(seed=1), tiny.latents(seed=2)
    assert_close(guided(conditional, unconditional, 1.0), conditional)
    assert_close(guided(conditional, unconditional, 0.0), unconditional)
    released = conditional + 3.0 * (conditional - unconditional)
    assert_close(guided(conditional, unconditional, 4.0), released)


def test_guided_velocity_is_two_passes_in_one() -> None:
    teacher = tiny.network()
    noisy, sigma, prompt, negative = tiny.latents(2), tiny.sigmas(2, 3), tiny.prompts(2, 1), tiny.prompts(2, 2)
    velocity = guided_velocity(teacher, noisy, sigma, prompt=prompt, negative=negative, guidance_scale=3.0)
    expected = guided(teacher(noisy, sigma, prompt), teacher(noisy, sigma, negative), 3.0)
    assert_close(velocity, expected, atol=1e-5, rtol=1e-5)


def test_the_gap_is_fake_minus_real_over_the_distance_to_real() -> None:
    teacher, fake_score = tiny.network(1), tiny.network(2)
    clean, noise, sigma = parts = inputs()
    noisy = add_noise(clean, noise, sigma)
    prompt, negative = tiny.prompts(2, 1), tiny.prompts(1, 2).expand(2, -1, -1)
    conditional = to_clean(noisy, teacher(noisy, sigma, prompt), sigma)
    unconditional = to_clean(noisy, teacher(noisy, sigma, negative), sigma)
    real = conditional + 3.0 * (conditional - unconditional)
    fake = to_clean(noisy, fake_score(noisy, sigma, prompt), sigma)
    gap = gap_of(teacher, fake_score, parts)
    for sample in range(2):
        scale = (clean[sample] - real[sample]).abs().sum() / clean[sample].numel()
        assert_close(gap[sample], (fake[sample] - real[sample]) / scale, atol=1e-4, rtol=1e-4)


def test_equal_scores_leave_samples_alone() -> None:
    network = tiny.network()
    assert_close(gap_of(network, network, inputs(), guidance_scale=1.0), torch.zeros(2, 3, 2, 4, 4), atol=1e-5, rtol=0)


def test_the_gap_carries_no_gradient() -> None:
    teacher, fake_score = tiny.network(1), tiny.network(2)
    clean, noise, sigma = inputs()
    gap = gap_of(teacher, fake_score, (clean.requires_grad_(), noise, sigma))
    assert not gap.requires_grad
    weighted_gap(clean, gap, torch.ones(2)).backward()
    assert clean.grad is not None
    assert all(parameter.grad is None for network in (teacher, fake_score) for parameter in network.parameters())


class Exact(nn.Module):
    """A teacher that agrees with the samples exactly."""

    def forward(self, noisy: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        del sigma, prompt
        return torch.zeros_like(noisy)


def test_a_perfect_sample_has_a_finite_gap() -> None:
    clean = tiny.latents(1)
    gap = gap_of(Exact(), Exact(), (clean, clean, torch.full((1, 3), 0.5)))
    assert_close(gap, torch.zeros_like(gap))


@given(batch=st.integers(1, 4), seed=st.integers(0, 20))
def test_gradient_of_the_weighted_gap(batch: int, seed: int) -> None:
    clean, gap = tiny.latents(batch, 2, seed).requires_grad_(), tiny.latents(batch, 2, seed + 1)
    weights = tiny.normal(batch, seed=seed).exp().requires_grad_()
    loss = weighted_gap(clean, gap, weights)
    loss.backward()
    expected = weights.detach()[:, None, None, None, None] * gap / gap.numel()
    assert clean.grad is not None
    assert weights.grad is None
    assert_close(clean.grad, expected, atol=1e-7, rtol=1e-5)
    half_square = 0.5 * (weights * gap.square().mean((1, 2, 3, 4))).mean()
    assert_close(loss, half_square, atol=1e-6, rtol=1e-4)
