"""The two attention layers of a Wan block."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from reward_forcing.networks.arithmetic import EPS, normalised, together
from reward_forcing.networks.layouts import Layout
from reward_forcing.networks.rotary import rotate
from reward_forcing.networks.words import FewWords, ManyWords, Told, Words, are_few

Tokens = Float[Tensor, "batch frame token dim"]
Heads = Float[Tensor, "batch frame token head head_dim"]
Past = Float[Tensor, "batch past_frame token head head_dim"]


@dataclass(frozen=True)
class Scene:
    """Where the frames of a pass stand and what their tokens see; the same for every layer.

    Args:
        turns: rotations of the remembered frames and, last, of the frames of this pass.
        mask: which tokens of this pass see which; None: all see all.
    """

    turns: Complex[Tensor, "frame token 1 pair"]
    mask: Bool[Tensor, "query key"] | None

    @staticmethod
    def of(layout: Layout, turns: Complex[Tensor, "frame token 1 pair"]) -> "Scene":
        """The scene of a layout, where the rotations are, its mask of frames spread over their tokens."""
        if layout.mask is None:
            return Scene(turns, None)
        mask = layout.mask.to(turns.device)
        return Scene(turns, mask.repeat_interleave(turns.shape[1], 0).repeat_interleave(turns.shape[1], 1))


class SelfAttention(nn.Module):
    """Attention of frames to themselves and to remembered frames."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.RMSNorm(dim, EPS), nn.RMSNorm(dim, EPS)

    def forward(
        self,
        tokens: Tokens,
        scene: Scene,
        past: tuple[Past, Past] | None,
    ) -> tuple[Tokens, Heads, Heads]:
        """What the tokens attend to, and their own keys (before rotation) and values.

        Args:
            tokens: the frames of this pass.
            scene: where the frames stand and what they see.
            past: keys, before rotation, and values of the remembered frames.
        """
        split = (self.heads, -1)
        queries, own_keys, own_values = together(tokens, (self.q, self.k, self.v))
        queries = normalised(queries, self.norm_q).unflatten(-1, split)
        own_keys = normalised(own_keys, self.norm_k).unflatten(-1, split)
        own_values = own_values.unflatten(-1, split)
        keys = own_keys if past is None else torch.cat([past[0].to(own_keys.dtype), own_keys], 1)
        values = own_values if past is None else torch.cat([past[1].to(own_values.dtype), own_values], 1)
        queries = rotate(queries, scene.turns[-queries.shape[1] :])
        keys = rotate(keys, scene.turns)
        attended = attend(queries.flatten(1, 2), keys.flatten(1, 2), values.flatten(1, 2), scene.mask)
        return self.o(attended.flatten(2)).view_as(tokens), own_keys, own_values


class CrossAttention(nn.Module):
    """Attention of tokens to the words of the prompt, padding included."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.RMSNorm(dim, EPS), nn.RMSNorm(dim, EPS)

    def forward(self, tokens: Tokens, text: Float[Tensor, "batch word dim"] | Told) -> Tokens:
        """What the tokens take from the prompt."""
        queries = normalised(self.q(tokens), self.norm_q).flatten(1, 2)
        told = self.told(text) if isinstance(text, Tensor) else text
        return told.answer(queries).view_as(tokens)

    def told(self, text: Float[Tensor, "batch word dim"]) -> Told:
        """The words, ready to be asked; few of them with the last layer, where nothing (adapters) is put around it."""
        keys, values = self.remembered(text)
        if type(self.o) is nn.Linear and are_few(text, self.heads):
            return FewWords.of(keys, values, self.o.weight, self.o.bias)
        return ManyWords.of(keys, values, scaled_dot_product_attention, self.o)

    def remembered(self, text: Float[Tensor, "batch word dim"]) -> tuple[Words, Words]:
        """Keys and values of the words."""
        states = normalised(self.k(text), self.norm_k), self.v(text)
        keys, values = (state.unflatten(-1, (self.heads, -1)) for state in states)
        return keys, values


def attend(
    queries: Float[Tensor, "batch query head head_dim"],
    keys: Float[Tensor, "batch key head head_dim"],
    values: Float[Tensor, "batch key head head_dim"],
    mask: Bool[Tensor, "query key"] | None,
) -> Float[Tensor, "batch query head head_dim"]:
    """Softmax attention."""
    query, key, value = (states.transpose(1, 2) for states in (queries, keys, values))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)
