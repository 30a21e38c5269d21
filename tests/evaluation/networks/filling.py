"""Networks in which every parameter matters, and what tells a network's names and shapes from another's."""

import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from reward_forcing import seeding

Network = TypeVar("Network", bound=nn.Module)


def filled(network: Network, *, seed: int = 0, std: float = 0.05) -> Network:
    """The network with small random parameters, weights of normalisations and rectifiers about 1; frozen."""
    rng = seeding.generator("networks", seed)
    with torch.no_grad():
        for name, parameter in network.state_dict().items():
            centre = 1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0
            parameter.copy_(centre + std * torch.randn(parameter.shape, generator=rng))
    return network.requires_grad_(requires_grad=False).eval()


def noise(*shape: int, seed: int = 0) -> UInt8[Tensor, "..."]:
    """Random frames."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeding.generator("frames", seed))


def on_meta(make: Callable[[], Network]) -> Network:
    """A network that takes no memory."""
    with torch.device("meta"):
        return make()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A short name for names and shapes, in whatever order."""
    lines = sorted(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
