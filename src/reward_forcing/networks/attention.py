"""The two attention layers of a Wan block."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from reward_forcing.networks.rotary import rotate
from reward_forcing.shapes import FrameMask

EPS = 1e-6

Tokens = Float[Tensor, "batch frame token dim"]
Heads = Float[Tensor, "batch frame token head head_dim"]


@dataclass(frozen=True)
class TokenMask:
    """Visibility between frames, spread over their tokens when attention asks for it."""

    frames: FrameMask | None
    tokens: int

    def to(self, device: torch.device) -> "TokenMask":
        """The same mask on another device."""
        return TokenMask(None if self.frames is None else self.frames.to(device), self.tokens)

    def dense(self) -> Bool[Tensor, "query key"] | None:
        """Which query tokens may look at which key tokens; None: all at all."""
        if self.frames is None:
            return None
        return self.frames.repeat_interleave(self.tokens, 0).repeat_interleave(self.tokens, 1)


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
        turns: Complex[Tensor, "frames token 1 pair"],
        mask: TokenMask,
        past: tuple[Heads, Heads] | None,
    ) -> tuple[Tokens, Heads, Heads]:
        """What the tokens attend to, and their own keys (before rotation) and values.

        Args:
            tokens: the frames of this pass.
            turns: rotations of the remembered frames and, last, of these frames.
            mask: which frames see which.
            past: keys, before rotation, and values of the remembered frames.
        """
        split = (self.heads, -1)
        queries = self.norm_q(self.q(tokens)).unflatten(-1, split)
        own_keys = self.norm_k(self.k(tokens)).unflatten(-1, split)
        own_values = self.v(tokens).unflatten(-1, split)
        keys = own_keys if past is None else torch.cat([past[0], own_keys], 1)
        values = own_values if past is None else torch.cat([past[1], own_values], 1)
        queries = rotate(queries, turns[-queries.shape[1] :])
        attended = attend(queries.flatten(1, 2), rotate(keys, turns).flatten(1, 2), values.flatten(1, 2), mask.dense())
        return self.o(attended.flatten(2)).view_as(tokens), own_keys, own_values


class CrossAttention(nn.Module):
    """Attention of tokens to the words of the prompt, padding included."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.RMSNorm(dim, EPS), nn.RMSNorm(dim, EPS)

    def forward(self, tokens: Tokens, text: Float[Tensor, "batch word dim"]) -> Tokens:
        """What the tokens take from the prompt."""
        split = (self.heads, -1)
        queries = self.norm_q(self.q(tokens)).unflatten(-1, split).flatten(1, 2)
        keys, values = self.norm_k(self.k(text)).unflatten(-1, split), self.v(text).unflatten(-1, split)
        attended: Tensor = self.o(attend(queries, keys, values, None).flatten(2))
        return attended.view_as(tokens)


def attend(
    queries: Float[Tensor, "batch query head head_dim"],
    keys: Float[Tensor, "batch key head head_dim"],
    values: Float[Tensor, "batch key head head_dim"],
    mask: Bool[Tensor, "query key"] | None,
) -> Float[Tensor, "batch query head head_dim"]:
    """Softmax attention."""
    by_head = (states.transpose(1, 2) for states in (queries, keys, values))
    return scaled_dot_product_attention(*by_head, attn_mask=mask).transpose(1, 2)
