"""Flow matching: what teachers, fake scores and causal initialisation minimise."""

from jaxtyping import Float
from torch import Tensor

from reward_forcing.flow import to_velocity
from reward_forcing.shapes import Latents


def flow_matching(
    velocity: Latents, clean: Latents, noise: Latents, weight: Float[Tensor, "..."] | float = 1.0
) -> Float[Tensor, ""]:
    """Mean square error of a predicted velocity; `weight` broadcasts over latents and is used as it comes."""
    return (weight * (velocity - to_velocity(clean, noise)).square()).mean()
