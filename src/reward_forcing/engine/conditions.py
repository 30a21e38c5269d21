"""What does not change from chunk to chunk: modulation by the noise levels, keys and values of the prompt."""

from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.engine.weights import blocks_of
from reward_forcing.networks.attention import CrossAttention, normalised
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.shapes import Prompts

Vector: TypeAlias = Float[Tensor, "dim"] | Float[Tensor, "part 1 dim"]
"""The same for all tokens, or for those of each part."""


class Modulation(NamedTuple):
    """How the noise levels of a pass's parts move a block; scales are one more than in the network."""

    shift: Vector
    scale: Vector
    gate: Vector
    shift_ffn: Vector
    scale_ffn: Vector
    gate_ffn: Vector


class Levels:
    """The modulation of every block and of the head, once for every set of noise levels."""

    def __init__(self, network: WanTransformer, stream: torch.dtype) -> None:
        self.network, self.stream = network, stream
        self.known: dict[tuple[float, ...], tuple[list[Modulation], tuple[Vector, Vector]]] = {}

    def of(self, levels: tuple[float, ...], like: Tensor) -> tuple[list[Modulation], tuple[Vector, Vector]]:
        """Of all blocks, and shift and scale of the head, for parts at these levels; `like` tells precision and device.

        The precision is that of the latents, in which a level may be rounded.
        """
        if levels not in self.known:
            self.known[levels] = self._made(like.new_tensor(levels)[:, None])
        return self.known[levels]

    def _made(self, sigma: Float[Tensor, "part 1"]) -> tuple[list[Modulation], tuple[Vector, Vector]]:
        time, projected = self.network.embed_time(sigma)
        own = torch.stack([block.modulation[0] for block in blocks_of(self.network)]).to(self.stream)
        vectors = own[:, None] + projected[:, 0].to(self.stream)
        head = self.network.head.modulation.to(self.stream) + time.to(self.stream)
        vectors[:, :, 1::3] += 1
        head[:, 1] += 1
        shift, scale = _spread(head)
        return [Modulation(*_spread(layer)) for layer in vectors], (shift, scale)


def _spread(vectors: Float[Tensor, "part vector dim"]) -> list[Vector]:
    """Each vector, as it meets tokens [batch, part, token, dim]."""
    return [*vectors[0]] if len(vectors) == 1 else [*vectors.transpose(0, 1).unsqueeze(2)]


class Words:
    """Keys and values of the prompt in every block, [batch, head, word, head_dim], for as long as it holds."""

    def __init__(self, network: WanTransformer, dtype: torch.dtype) -> None:
        self.network, self.dtype = network, dtype
        self.prompt: Tensor | None = None
        self.known: list[tuple[Tensor, Tensor]] = []

    def of(self, prompt: Prompts) -> list[tuple[Tensor, Tensor]]:
        """Of all blocks; made again when the tensor is another one."""
        if prompt is not self.prompt:
            text = self.network.text_embedding(prompt.to(self.network.dtype))
            self.prompt, self.known = prompt, [self._made(block.cross_attn, text) for block in blocks_of(self.network)]
        return self.known

    def _made(self, attention: CrossAttention, text: Tensor) -> tuple[Tensor, Tensor]:
        both = normalised(attention.k(text), attention.norm_k), attention.v(text)
        keys, values = (_by_head(states.to(self.dtype), attention.heads) for states in both)
        return keys, values


def _by_head(states: Float[Tensor, "batch word dim"], heads: int) -> Float[Tensor, "batch head word head_dim"]:
    split: Tensor = states.unflatten(-1, (heads, -1))
    return split.transpose(1, 2).contiguous()
