"""Distribution matching (DMD): from two scores to a gradient on the student's samples."""

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.flow import add_noise, to_clean
from reward_forcing.networks.protocols import VelocityModel
from reward_forcing.shapes import Latents, Prompts, Rewards, Sigma

SMALLEST_SCALE = 1e-8
"""Keeps the gap finite where the teacher agrees with a sample exactly."""


def guided(conditional: Latents, unconditional: Latents, guidance_scale: float) -> Latents:
    """Classifier-free guidance in the standard convention: 1 is no guidance (the released code's 3.0 is 4.0 here)."""
    return unconditional + guidance_scale * (conditional - unconditional)


def guided_velocity(
    teacher: VelocityModel,
    noisy: Latents,
    sigma: Sigma,
    *,
    prompt: Prompts,
    negative: Prompts,
    guidance_scale: float,
) -> Latents:
    """The teacher's velocity under guidance, both prompts in one pass."""
    velocities = teacher(torch.cat([noisy, noisy]), torch.cat([sigma, sigma]), torch.cat([prompt, negative]))
    conditional, unconditional = velocities.chunk(2)
    return guided(conditional, unconditional, guidance_scale)


@torch.no_grad()
def score_gap(
    clean: Latents,
    noise: Latents,
    sigma: Sigma,
    *,
    prompt: Prompts,
    negative: Prompts,
    teacher: VelocityModel,
    fake_score: VelocityModel,
    guidance_scale: float,
) -> Latents:
    """The direction in which the student's samples should move, negated: `(fake - real) / mean |clean - real|`.

    Both scores are read as estimates of the clean latents from the same noisy ones; the scale is taken per sample
    (DMD, equation 8). No gradient flows.
    """
    noisy = add_noise(clean, noise, sigma)
    real_velocity = guided_velocity(
        teacher, noisy, sigma, prompt=prompt, negative=negative, guidance_scale=guidance_scale
    )
    real = to_clean(noisy, real_velocity, sigma)
    fake = to_clean(noisy, fake_score(noisy, sigma, prompt), sigma)
    scale = (clean - real).abs().mean((1, 2, 3, 4), keepdim=True)
    return (fake - real) / scale.clamp_min(SMALLEST_SCALE)


def weighted_gap(clean: Latents, gap: Latents, weights: Rewards) -> Float[Tensor, ""]:
    """A loss whose gradient at `clean` is `weights * gap`, divided by the number of entries.

    It is half the weighted mean square distance to the fixed target `clean - gap`; gradients reach `clean` alone.
    """
    target = (clean - gap).detach()
    per_sample = (clean - target).square().mean((1, 2, 3, 4))
    return 0.5 * (weights.detach() * per_sample).mean()


def effective_sample_size(weights: Rewards) -> Float[Tensor, ""]:
    """How many equally weighted samples carry as much information: `(sum w)^2 / sum w^2`, from 1 to the batch."""
    shares = weights / weights.max()
    return shares.sum().square() / shares.square().sum()
