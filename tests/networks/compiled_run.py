"""A process of its own, without the checks of shapes that tests put around every function, which torch cannot compile.

`python -m tests.networks.compiled_run BACKEND DEVICE` does the same with and without compilation and tells how far
apart velocities and gradients are, relative to the largest, and how much was compiled.
"""

import json
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from reward_forcing.networks.wan import WanTransformer
from tests import tiny


def learned(network: WanTransformer, device: str) -> list[Tensor]:
    """What a network makes of some latents, and the gradients of its parameters."""
    sigma = torch.linspace(0.1, 0.9, 6).view(2, 3)
    given = (tensor.to(device) for tensor in (tiny.latents(2, 3), sigma, tiny.prompts(2)))
    velocity = network.to(device)(*given)
    velocity.square().mean().backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    return [velocity.detach(), *gradients]


def main(arguments: Sequence[str]) -> None:
    """Compare and tell."""
    backend, device = arguments
    plain = tiny.network(checkpointing=True)
    compiled = WanTransformer(**tiny.SIZES, checkpointing=True, compiled=backend)
    compiled.load_state_dict(plain.state_dict())
    wanted, found = learned(plain, device), learned(compiled, device)
    apart = [float((one - other).abs().max() / one.abs().max()) for one, other in zip(wanted, found, strict=True)]
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    sys.stdout.write(json.dumps({"apart": max(apart), "tensors": len(apart), "graphs": graphs}))


if __name__ == "__main__":
    main(sys.argv[1:])
