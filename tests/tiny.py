"""Small networks, latents and remembered frames for tests."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from reward_forcing import seeding
from reward_forcing.losses.samples import History, Samples
from reward_forcing.losses.score_gap import Scores
from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import Memory, MemoryPolicy
from reward_forcing.networks.wan import WanTransformer

SIZES: dict[str, Any] = {
    "channels": 2, "dim": 24, "ffn_dim": 32, "heads": 2, "layers": 2, "text_dim": 5, "freq_dim": 16
}  # fmt: skip
WORDS = 3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeding.generator("tests", seed))


def network(seed: int = 0, **sizes: Any) -> WanTransformer:
    """A network in which every parameter matters (a fresh one has a silent head)."""
    built = WanTransformer(**{**SIZES, **sizes})
    rng = seeding.generator("network", seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.2)
    return built


def latents(batch: int = 1, frames: int = 3, seed: int = 0) -> Tensor:
    return normal(batch, frames, SIZES["channels"], 4, 4, seed=seed)


def prompts(batch: int = 1, seed: int = 0) -> Tensor:
    return normal(batch, WORDS, SIZES["text_dim"], seed=seed + 1000)


def sigmas(batch: int, frames: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, frames, generator=seeding.generator("sigmas", seed))


def judged(rewards: Tensor, *, sigma: float | Tensor = 0.5, prompts: tuple[str, ...] = (), **more: Any) -> Samples:
    """Samples with these rewards, of one prompt and level unless told; earlier rewards had mean 0 and deviation 1."""
    count = len(rewards)
    levels = sigma if isinstance(sigma, Tensor) else torch.full((count,), sigma)
    known = {"history": History(*torch.tensor([1.0, 0.0, 1.0])), **more}
    return Samples(rewards, levels, prompts or ("red",) * count, **known)


def apart(gap: Tensor) -> Scores:
    """Scores with this gap."""
    return Scores(torch.zeros_like(gap), gap, torch.ones(len(gap), 1, 1, 1, 1))


def numbered(*numbers: float, dtype: torch.dtype = torch.float64) -> KV:
    """Frames whose keys are the given numbers and whose values are their negatives."""
    keys = torch.tensor(numbers, dtype=dtype)[None, None, :, None, None, None]
    return KV(keys, -keys)


def numbers(kv: KV) -> list[float]:
    """The keys of `numbered` frames; their values must still be the negatives."""
    assert torch.equal(kv.values, -kv.keys)
    keys: list[float] = kv.keys.flatten().tolist()
    return keys


def remembered(policy: MemoryPolicy, chunks: list[KV]) -> list[Memory]:
    """The memory after each chunk."""
    memory, states = policy.start(chunks[0]), []
    for chunk in chunks:
        memory = policy.append(memory, chunk)
        states.append(memory)
    return states


def random_kv(batch: int, frames: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> KV:
    shape = (2, batch, frames, 2, 1, 4)
    return KV(normal(*shape, seed=seed).to(dtype), normal(*shape, seed=seed + 5000).to(dtype))


def map_batch(kv: KV, function: Callable[[Tensor], Tensor]) -> KV:
    """`kv` with `function` applied along the batch."""
    return kv.apply(lambda tensor: function(tensor.transpose(0, 1)).transpose(0, 1))


def stacked(layers: Iterable[KV]) -> KV:
    """All layers in one."""
    parts = list(layers)
    return KV(torch.stack([part.keys for part in parts]), torch.stack([part.values for part in parts]))


def layer_of(kv: KV, layer: int) -> KV:
    """One of stacked layers."""
    return kv.apply(lambda tensor: tensor[layer])


class Noted:
    """A past that is given, and notes what is written."""

    def __init__(self, known: KV | None = None) -> None:
        self.known = known
        self.written: list[KV] = []

    @property
    def frames(self) -> int:
        return self.known.frames if self.known else 0

    def read(self, layer: int) -> KV | None:
        return layer_of(self.known, layer) if self.known else None

    def write(self, layer: int, chunk: KV) -> None:
        assert layer == len(self.written)
        self.written.append(chunk)


def passed(network: Any, *inputs: Any, known: KV | None = None) -> tuple[Tensor, KV]:
    """The velocity of a pass, and the keys and values of all layers."""
    past = Noted(known)
    return network(*inputs, past), stacked(past.written)
