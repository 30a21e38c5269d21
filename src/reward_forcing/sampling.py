"""Many-step sampling from a bidirectional teacher."""

from collections.abc import Iterator
from itertools import pairwise

import torch

from reward_forcing.flow import denoising_levels, level_of
from reward_forcing.losses.score_gap import guided_velocity
from reward_forcing.networks.protocols import VelocityModel
from reward_forcing.shapes import Latents, Prompts


def trajectory(
    teacher: VelocityModel,
    noise: Latents,
    *,
    prompt: Prompts,
    negative: Prompts,
    steps: int,
    guidance_scale: float,
    shift_factor: float,
) -> Iterator[Latents]:
    """The states of Euler integration from noise to clean, the noise itself first: `steps + 1`, without gradients.

    Args:
        teacher: the velocity model.
        noise: where to start.
        prompt: encoded prompts.
        negative: encoded negative prompts, for guidance.
        steps: Euler steps.
        guidance_scale: in the standard convention.
        shift_factor: how far the noise levels lean towards 1.
    """
    state = noise
    yield state
    levels = [*denoising_levels(steps, shift_factor), 0.0]
    for high, low in pairwise(levels):
        sigma = level_of(state, high)
        with torch.no_grad():
            velocity = guided_velocity(
                teacher, state, sigma, prompt=prompt, negative=negative, guidance_scale=guidance_scale
            )
            state = state + (low - high) * velocity
        yield state


def sample(
    teacher: VelocityModel,
    noise: Latents,
    *,
    prompt: Prompts,
    negative: Prompts,
    steps: int,
    guidance_scale: float,
    shift_factor: float,
) -> Latents:
    """The clean end of a teacher's trajectory; see `trajectory`."""
    *_, clean = trajectory(
        teacher,
        noise,
        prompt=prompt,
        negative=negative,
        steps=steps,
        guidance_scale=guidance_scale,
        shift_factor=shift_factor,
    )
    return clean
