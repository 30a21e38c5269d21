"""What does not change from chunk to chunk: modulation by the noise levels, what the prompt tells."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.engine.weights import Affine, Linear, blocks_of
from reward_forcing.networks.attention import CrossAttention
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.words import Attend, FewWords, ManyWords, Told, are_few
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


class Prompted:
    """What every block has been told by the prompt, for as long as it holds.

    Args:
        network: whose blocks they are.
        attend: computes attention.
        outs: the layers of the blocks after attention to words.
        dtype: precision of products.
    """

    def __init__(self, network: WanTransformer, attend: Attend, outs: Sequence[Linear], dtype: torch.dtype) -> None:
        self.network, self.attend, self.outs, self.dtype = network, attend, outs, dtype
        self.prompt: Tensor | None = None
        self.known: list[Told] = []

    def by(self, prompt: Prompts) -> list[Told]:
        """Of all blocks; made again when the tensor is another one."""
        if prompt is not self.prompt:
            text = self.network.text_embedding(prompt.to(self.network.dtype))
            layers = zip(blocks_of(self.network), self.outs, strict=True)
            self.prompt, self.known = prompt, [self._told(block.cross_attn, text, out) for block, out in layers]
        return self.known

    def _told(self, attention: CrossAttention, text: Tensor, out: Linear) -> Told:
        keys, values = (states.to(self.dtype) for states in attention.remembered(text))
        if isinstance(out, Affine) and are_few(text, attention.heads):
            return FewWords.of(keys, values, out.weight, out.bias)
        return ManyWords.of(keys, values, self.attend, out.of)
