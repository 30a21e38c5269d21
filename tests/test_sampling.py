"""Sampling against velocity fields whose paths are known."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.flow import denoising_levels
from reward_forcing.sampling import sample, trajectory
from tests import tiny


class Targets:
    """A teacher that knows one clean clip a prompt, the mean of the prompt everywhere; its paths are straight."""

    def __call__(self, noisy: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        target = prompt.mean((1, 2))[:, None, None, None, None]
        return (noisy - target) / sigma[:, :, None, None, None]


class Growth:
    """Velocity in proportion to the state; every Euler step is a factor."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, noisy: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        assert len(noisy) == len(sigma) == len(prompt)
        return self.rate * noisy


def inputs(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return tiny.latents(batch, 3), tiny.prompts(batch, 1), tiny.prompts(batch, 2)


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("guidance_scale", [0.0, 1.0, 3.0])
def test_straight_paths_end_at_the_guided_target(steps: int, guidance_scale: float) -> None:
    noise, prompt, negative = inputs()
    clean = sample(
        Targets(),
        noise,
        prompt=prompt,
        negative=negative,
        steps=steps,
        guidance_scale=guidance_scale,
        shift_factor=5.0,
    )
    wanted, avoided = prompt.mean((1, 2)), negative.mean((1, 2))
    target = avoided + guidance_scale * (wanted - avoided)
    assert_close(clean, target[:, None, None, None, None].expand_as(clean), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("steps", "shift_factor"), [(1, 1.0), (5, 1.0), (7, 3.0)])
def test_each_step_is_a_factor(steps: int, shift_factor: float) -> None:
    noise, prompt, negative = inputs()
    states = list(
        trajectory(
            Growth(0.8),
            noise,
            prompt=prompt,
            negative=negative,
            steps=steps,
            guidance_scale=2.0,
            shift_factor=shift_factor,
        )
    )
    levels = [*denoising_levels(steps, shift_factor), 0.0]
    expected, factor = [noise], 1.0
    for high, low in pairwise(levels):
        factor *= 1 + (low - high) * 0.8
        expected.append(noise * factor)
    assert len(states) == steps + 1
    for state, wanted in zip(states, expected, strict=True):
        assert_close(state, wanted)


def test_many_steps_approach_the_exact_flow() -> None:
    """The state that grows at rate r shrinks by exp(-r) on the way from sigma 1 to 0; errors fall as 1 / steps."""
    noise, prompt, negative = inputs()
    exact, errors = noise * torch.tensor(-1.0).exp(), []
    for steps in (10, 100):
        clean = sample(
            Growth(1.0),
            noise,
            prompt=prompt,
            negative=negative,
            steps=steps,
            guidance_scale=1.0,
            shift_factor=1.0,
        )
        errors.append((clean - exact).abs().max().item())
    assert errors[1] < 0.12 * errors[0]


def test_no_gradient_is_kept() -> None:
    noise, prompt, negative = inputs(1)
    states = trajectory(
        tiny.network(), noise, prompt=prompt, negative=negative, steps=2, guidance_scale=2.0, shift_factor=3.0
    )
    for state in states:
        assert not state.requires_grad
        assert torch.is_grad_enabled()  # who takes the states keeps his own mode
