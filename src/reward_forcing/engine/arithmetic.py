"""What a block computes around its memory and its attention, as pure functions: each may be compiled as it stands."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reward_forcing.engine.conditions import Modulation, Vector
from reward_forcing.engine.rotated import turned
from reward_forcing.engine.weights import Fused
from reward_forcing.networks.arithmetic import EPS, activated, centred

Parts = Float[Tensor, "batch part token dim"]
Rows = Float[Tensor, "batch query dim"]


class Arithmetic(NamedTuple):
    """The functions of this file, as they are or compiled."""

    before: Callable[..., tuple[Tensor, Tensor]]
    turned: Callable[[Tensor, Tensor], Tensor]
    between: Callable[..., tuple[Tensor, Tensor]]
    after: Callable[..., Tensor]


def before(
    tokens: Parts, how: Modulation, block: Fused, heads: int, dtype: torch.dtype
) -> tuple[Float[Tensor, "batch part token 2 head head_dim"], Float[Tensor, "batch part token head head_dim"]]:
    """Queries and keys, normalised in fp32 and not rotated yet, and values."""
    dim = tokens.shape[-1]
    qkv = block.qkv.of(modulated(tokens, how.shift, how.scale).to(dtype))
    normed = functional.rms_norm(qkv[..., : 2 * dim].unflatten(-1, (2, dim)).float(), (dim,), eps=EPS)
    values = qkv[..., 2 * dim :].unflatten(-1, (heads, -1))
    return (normed * block.norm_qk).unflatten(-1, (heads, -1)), values


def between(
    tokens: Parts, attended: Sequence[Float[Tensor, "batch token dim"]], gate: Vector, block: Fused
) -> tuple[Parts, Rows]:
    """Tokens with what each part has attended to, and what they ask of the words, all parts in a row."""
    one = len(attended) == 1
    found = block.out.of(attended[0].unsqueeze(1) if one else torch.stack([*attended], 1))
    tokens = torch.addcmul(tokens, gate, found.to(tokens.dtype))
    dim, dtype = tokens.shape[-1:], attended[0].dtype
    asking = functional.layer_norm(tokens, dim, *block.norm_words, EPS).to(dtype).flatten(1, 2)
    return tokens, functional.rms_norm(block.words_q.of(asking).float(), dim, block.norm_words_q, EPS).to(dtype)


def after(tokens: Parts, answers: Rows, how: Modulation, block: Fused) -> Parts:
    """Tokens with what they took from the words, fed forward."""
    tokens = tokens + answers.view_as(tokens)
    inner = block.up.of(modulated(tokens, how.shift_ffn, how.scale_ffn).to(answers.dtype))
    return torch.addcmul(tokens, how.gate_ffn, block.down.of(activated(inner)).to(tokens.dtype))


def modulated(tokens: Float[Tensor, "*place dim"], shift: Vector, scale: Vector) -> Float[Tensor, "*place dim"]:
    """Normalise each token, then multiply it by `scale` and move it by `shift`."""
    if scale.dim() == 1:
        return functional.layer_norm(tokens, tokens.shape[-1:], scale, shift, EPS)
    return torch.addcmul(shift, centred(tokens), scale)


PLAIN: Final = Arithmetic(before, turned, between, after)
