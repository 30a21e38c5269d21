"""Distribution matching (DMD): from two scores to a gradient on the student's samples."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.flow import add_noise, to_clean
from reward_forcing.networks.protocols import VelocityModel
from reward_forcing.shapes import Latents, Prompts, Rewards, Sigma

SMALLEST_SCALE = 1e-8
"""Keeps the gap finite where the teacher agrees with a sample exactly."""


@dataclass(frozen=True)
class Scores:
    """Teacher's and fake score's estimates of clean latents, from the same noisy ones.

    Args:
        real: the teacher's, guided.
        fake: the fake score's.
        scale: mean distance of each sample to `real`, no gradient (DMD, equation 8).
    """

    real: Latents
    fake: Latents
    scale: Float[Tensor, "batch 1 1 1 1"]

    @property
    def gap(self) -> Latents:
        """The direction in which samples should move, negated: `(fake - real) / scale`."""
        return (self.fake - self.real) / self.scale


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


def compared(
    clean: Latents,
    noise: Latents,
    sigma: Sigma,
    *,
    prompt: Prompts,
    negative: Prompts,
    teacher: VelocityModel,
    fake_score: VelocityModel,
    guidance_scale: float,
    differentiable: bool = False,
) -> Scores:
    """What both scores make of samples, perturbed alike.

    Args:
        clean: the samples.
        noise: what they are perturbed with.
        sigma: how much.
        prompt: of each sample.
        negative: of each sample.
        teacher: the real score.
        fake_score: of the student's distribution.
        guidance_scale: of the teacher.
        differentiable: whether gradients flow through both networks to the samples; otherwise there are none.
    """
    with nullcontext() if differentiable else torch.no_grad():
        noisy = add_noise(clean, noise, sigma)
        real_velocity = guided_velocity(
            teacher, noisy, sigma, prompt=prompt, negative=negative, guidance_scale=guidance_scale
        )
        real = to_clean(noisy, real_velocity, sigma)
        fake = to_clean(noisy, fake_score(noisy, sigma, prompt), sigma)
        scale = (clean - real).detach().abs().mean((1, 2, 3, 4), keepdim=True)
        return Scores(real, fake, scale.clamp_min(SMALLEST_SCALE))


def weighted_gap(clean: Latents, gap: Latents, weights: Rewards) -> Float[Tensor, ""]:
    """A loss whose gradient at `clean` is `weights * gap`, divided by the number of entries.

    It is half the weighted mean square distance to the fixed target `clean - gap`; gradients reach `clean` alone.
    """
    target = (clean - gap).detach()
    per_sample = (clean - target).square().mean((1, 2, 3, 4))
    return 0.5 * (weights.detach() * per_sample).mean()
