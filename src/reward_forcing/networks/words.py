"""How tokens take what the words of a prompt tell, the layer after it included: two ways with the same result."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Queries = Float[Tensor, "batch query dim"]
Words = Float[Tensor, "batch word head head_dim"]
Answers = Float[Tensor, "batch query dim"]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Softmax attention of queries, keys and values [batch, head, token, head_dim]."""


@runtime_checkable
class Told(Protocol):
    """The words of a prompt, ready to be asked by the tokens of any number of passes."""

    def answer(self, queries: Queries) -> Answers:
        """What tokens take from the words."""


class ManyWords(NamedTuple):
    """Attention head by head, then the layer.

    Args:
        keys: of the words.
        values: of the words.
        attend: computes attention.
        out: the layer after it.
    """

    keys: Float[Tensor, "batch head word head_dim"]
    values: Float[Tensor, "batch head word head_dim"]
    attend: Attend
    out: Callable[[Tensor], Tensor]

    @staticmethod
    def of(keys: Words, values: Words, attend: Attend, out: Callable[[Tensor], Tensor]) -> "ManyWords":
        """The words' keys and values, as attention takes them."""
        return ManyWords(keys.transpose(1, 2).contiguous(), values.transpose(1, 2).contiguous(), attend, out)

    def answer(self, queries: Queries) -> Answers:
        """What tokens take from the words."""
        by_head = queries.unflatten(-1, (self.keys.shape[1], -1)).transpose(1, 2)
        return self.out(self.attend(by_head, self.keys, self.values).transpose(1, 2).flatten(2))


class FewWords(NamedTuple):
    """All heads at once, by two narrow products: the layer has been applied to the words' values before.

    A pair is a head and a word of it. Its key is 0 outside its head's dimensions, so that a whole query asks it; its
    answer is what the layer makes of that head's value alone, with the head's part of the bias, as shares add up to 1.

    Args:
        keys: of the pairs, divided by the root of a head's dimensions.
        answers: of the pairs.
        heads: of attention.
    """

    keys: Float[Tensor, "batch pair dim"]
    answers: Float[Tensor, "batch pair dim"]
    heads: int

    @staticmethod
    def of(keys: Words, values: Words, weight: Float[Tensor, "dim dim"], bias: Float[Tensor, " dim"]) -> "FewWords":
        """The words' keys and values, and the weight and bias of the layer after attention, as pairs."""
        heads, head_dim = keys.shape[2:]
        own = torch.eye(heads, dtype=keys.dtype, device=keys.device).repeat_interleave(head_dim, 1)[:, None]
        asked, told = (states.flatten(2)[:, None] * own for states in (keys * head_dim**-0.5, values))
        return FewWords(asked.flatten(1, 2), functional.linear(told.flatten(1, 2), weight, bias / heads), heads)

    def answer(self, queries: Queries) -> Answers:
        """What tokens take from the words."""
        scores = torch.bmm(self.keys, queries.transpose(1, 2))
        shares = scores.unflatten(1, (self.heads, -1)).softmax(2).flatten(1, 2)
        return torch.bmm(shares.transpose(1, 2), self.answers)


def are_few(words: Float[Tensor, "batch word dim"], heads: int) -> bool:
    """Whether pairs are less work than attention and the layer after it."""
    return 2 * heads * words.shape[1] <= words.shape[2]
