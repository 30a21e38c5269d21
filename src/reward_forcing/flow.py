"""The straight path between data and noise (flow matching), and the noise levels walked along it.

Noise levels are `sigma` in [0, 1] everywhere; networks predict `velocity = noise - clean`. Timesteps (1000 sigma)
exist only inside networks that were trained with them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.shapes import Latents, Sigma


def _per_frame(sigma: Sigma) -> Float[Tensor, "batch frame 1 1 1"]:
    return sigma[:, :, None, None, None]


def level_of(latents: Latents, sigma: float) -> Sigma:
    """The same noise level for every frame of `latents`."""
    return latents.new_full(latents.shape[:2], sigma)


def add_noise(clean: Latents, noise: Latents, sigma: Sigma) -> Latents:
    """Go `sigma` of the way from `clean` to `noise`: `(1 - sigma) clean + sigma noise`."""
    level = _per_frame(sigma)
    return (1 - level) * clean + level * noise


def to_clean(noisy: Latents, velocity: Latents, sigma: Sigma) -> Latents:
    """Follow the velocity back to sigma 0: `noisy - sigma velocity`."""
    return noisy - _per_frame(sigma) * velocity


def to_velocity(clean: Latents, noise: Latents) -> Latents:
    """The velocity of the straight path, which networks learn to predict."""
    return noise - clean


def shift(sigma: Float[Tensor, "..."], factor: float) -> Float[Tensor, "..."]:
    """Move noise levels towards 1: `factor sigma / (1 + (factor - 1) sigma)`; 0, 1 and their order stay.

    Raises:
        ValueError: `factor` is not positive.
    """
    if factor <= 0:
        raise ValueError(f"flow.shift: factor is {factor}; it must be positive (1 leaves the levels alone)")
    return factor * sigma / (1 + (factor - 1) * sigma)


def denoising_levels(steps: int, factor: float) -> tuple[float, ...]:
    """The noise levels of a few-step student, evenly spaced before shifting.

    Four steps shifted by 5 are (1, .9375, .8333, .625), the released student's levels.

    Raises:
        ValueError: `steps` is not positive.
    """
    if steps < 1:
        raise ValueError(f"flow.denoising_levels: steps is {steps}; it must be at least 1")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]
    return tuple(shift(even, factor).tolist())


def schedule(steps: int, factor: float) -> Float[Tensor, " step"]:
    """The shifted table of `steps` noise levels, from 1 down to just above 0, in fp32."""
    return shift(torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1], factor).float()


def bell_weights(sigmas: Float[Tensor, " step"]) -> Float[Tensor, " step"]:
    """Training weights of a table of noise levels: a bell around sigma 1/2, zero at its lowest, with mean 1."""
    bell = torch.exp(-2 * (sigmas.double() - 0.5) ** 2)
    bell = bell - bell.min()
    return (bell * (len(sigmas) / bell.sum())).to(sigmas.dtype)


def stratified_sigma(batch: int, rng: torch.Generator, *, factor: float) -> Float[Tensor, " batch"]:
    """Noise levels of a batch, one from each of `batch` equal parts of [0, 1] in random order, shifted by `factor`.

    Every batch sees all levels, so that its loss varies less than with independent draws.
    """
    places = torch.randperm(batch, generator=rng) + torch.rand(batch, generator=rng)
    return shift(places / batch, factor)


def random_sigma(
    shape: tuple[int, ...], rng: torch.Generator, *, factor: float, low: float = 0.0, high: float = 1.0
) -> Float[Tensor, "..."]:
    """Noise levels uniform before shifting by `factor`, then clamped into [`low`, `high`]; drawn on the CPU.

    Raises:
        ValueError: the bounds are not ordered within [0, 1].
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"flow.random_sigma: bounds are [{low}, {high}]; they must satisfy 0 <= low <= high <= 1")
    return shift(torch.rand(shape, generator=rng), factor).clamp(low, high)
