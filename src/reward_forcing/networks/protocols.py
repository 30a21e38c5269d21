"""What the rollout and the losses ask of a network."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from reward_forcing.memory.past import Past
from reward_forcing.shapes import Latents, Prompts


@runtime_checkable
class VelocityModel(Protocol):
    """Teacher or fake score: every frame sees every frame."""

    def __call__(self, noisy: Latents, sigma: Tensor, prompt: Prompts) -> Latents:
        """The velocity of `noisy` at noise level `sigma` (one a sample or one a frame)."""


@runtime_checkable
class CausalVelocityModel(Protocol):
    """Student: a chunk sees itself and what is remembered."""

    def __call__(self, noisy: Latents, sigma: Tensor, prompt: Prompts, past: Past) -> Latents:
        """The velocity of a chunk; its keys and values go to `past`, layer by layer."""
