"""The weights of a Wan transformer as fast passes use them: keys, queries and values in one product."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reward_forcing.networks.wan import Block, WanTransformer


@runtime_checkable
class Linear(Protocol):
    """What computes a linear layer."""

    def of(self, states: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place out"]:
        """Its outputs."""


class Affine(NamedTuple):
    """A linear layer, without the cost of calling a module."""

    weight: Float[Tensor, "out dim"]
    bias: Float[Tensor, " out"]

    def of(self, states: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place out"]:
        """Its outputs."""
        return functional.linear(states, self.weight, self.bias)


class Fused(NamedTuple):
    """The weights of a block that do not depend on the noise level or the prompt.

    Scales of normalisations are in the precision in which they are used: of queries and keys fp32, of words that of the
    residual stream.
    """

    qkv: Linear
    norm_qk: Float[Tensor, "2 dim"]
    out: Linear
    norm_words: Affine
    words_q: Linear
    norm_words_q: Float[Tensor, " dim"]
    words_out: Linear
    up: Linear
    down: Linear


def affine(layer: nn.Module, dtype: torch.dtype) -> Affine:
    """The tensors of a linear layer or of a scaled and shifted normalisation; its own, if the precision is."""
    assert isinstance(layer, nn.Linear | nn.LayerNorm)
    assert layer.weight is not None
    return Affine(layer.weight.to(dtype), layer.bias.to(dtype))


def as_it_is(layer: Affine) -> Linear:
    """The layer, as nothing is lost in it."""
    return layer


def joined(layers: Sequence[nn.Linear], dtype: torch.dtype) -> Affine:
    """Linear layers of one input as one."""
    parts = [affine(layer, dtype) for layer in layers]
    return Affine(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def fused(
    block: Block, dtype: torch.dtype, stream: torch.dtype, linear: Callable[[Affine], Linear] = as_it_is
) -> Fused:
    """The weights of a block, for products in one precision and a residual stream in another.

    Args:
        block: whose weights are taken.
        dtype: of products.
        stream: precision of the residual stream.
        linear: how its layers are computed.
    """
    own, words = block.self_attn, block.cross_attn
    assert own.norm_q.weight is not None
    assert own.norm_k.weight is not None
    assert words.norm_q.weight is not None
    return Fused(
        qkv=linear(joined((own.q, own.k, own.v), dtype)),
        norm_qk=torch.stack([own.norm_q.weight, own.norm_k.weight]).float(),
        out=linear(affine(own.o, dtype)),
        norm_words=affine(block.norm3, stream),
        words_q=linear(affine(words.q, dtype)),
        norm_words_q=words.norm_q.weight.float(),
        words_out=linear(affine(words.o, dtype)),
        up=linear(affine(block.ffn[0], dtype)),
        down=linear(affine(block.ffn[2], dtype)),
    )


def blocks_of(network: WanTransformer) -> list[Block]:
    """The blocks by their type."""
    return [block for block in network.blocks if isinstance(block, Block)]


def why_not(student: object) -> str:
    """Why the passes of a student cannot be fast; nothing if they can."""
    if not isinstance(student, WanTransformer):
        return f"it is a {type(student).__name__}, no WanTransformer"
    odd = {type(module).__name__ for module in student.modules() if type(module) not in PLAIN}
    odd |= {type(parameter).__name__ for parameter in student.parameters() if type(parameter) is not nn.Parameter}
    return f"it holds {', '.join(sorted(odd))}" if odd else ""


def _types(module: nn.Module) -> set[type[nn.Module]]:
    return {type(part) for part in module.modules()}


PLAIN = _types(WanTransformer(channels=1, dim=6, ffn_dim=1, heads=1, layers=1, text_dim=1, freq_dim=2))
"""What a network is made of if nothing (adapters, shards) has been put around its layers."""
