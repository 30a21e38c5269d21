"""BERT's layers with attention to something else that is seen (Devlin et al. 2019), named as in Tag2Text's file."""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu

from evaluation.networks.attention import attend

EPS: Final = 1e-12
PLACES: Final = 512


class Added(nn.Module):
    """A linear layer, added to what was there, normalised."""

    def __init__(self, given: int, dim: int) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(given, dim), nn.LayerNorm(dim, eps=EPS)

    def forward(self, given: Tensor, before: Tensor) -> Tensor:
        """Of `given`, added to `before`."""
        out: Tensor = self.LayerNorm(self.dense(given) + before)
        return out


class Attention(nn.Module):
    """Attention of tokens to others of `seen` channels, and its addition."""

    def __init__(self, dim: int, heads: int, seen: int) -> None:
        super().__init__()
        self.heads = heads
        sizes = {"query": dim, "key": seen, "value": seen}
        self.self = nn.ModuleDict({name: nn.Linear(size, dim) for name, size in sizes.items()})
        self.output = Added(dim, dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        seen: Float[Tensor, "batch other seen"],
        *,
        there: Bool[Tensor, "batch other"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch token dim"]:
        """The tokens with what they see of `seen`, where that is `there`."""
        query, key, value = self.self["query"](tokens), self.self["key"](seen), self.self["value"](seen)
        out: Tensor = self.output(attend(query, key, value, self.heads, causal=causal, there=there), tokens)
        return out


class Layer(nn.Module):
    """Attention of the tokens to each other (if any), to what is seen, and a hidden layer."""

    def __init__(self, dim: int, heads: int, seen: int, *, alone: bool = False) -> None:
        super().__init__()
        self.attention = None if alone else Attention(dim, heads, dim)
        self.crossattention = Attention(dim, heads, seen)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(dim, 4 * dim)})
        self.output = Added(4 * dim, dim)

    def forward(
        self, tokens: Tensor, seen: Tensor, *, there: Bool[Tensor, "batch token"] | None = None, causal: bool = False
    ) -> Tensor:
        """The tokens after all of it."""
        if self.attention is not None:
            tokens = self.attention(tokens, tokens, there=there, causal=causal)
        tokens = self.crossattention(tokens, seen)
        out: Tensor = self.output(gelu(self.intermediate["dense"](tokens)), tokens)
        return out


class Layers(nn.Module):
    """Some layers, one after the other."""

    def __init__(self, count: int, dim: int, heads: int, seen: int, *, alone: bool = False) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(dim, heads, seen, alone=alone) for _ in range(count))

    def forward(
        self, tokens: Tensor, seen: Tensor, *, there: Bool[Tensor, "batch token"] | None = None, causal: bool = False
    ) -> Tensor:
        """The tokens after all layers."""
        for layer in self.layer:
            tokens = layer(tokens, seen, there=there, causal=causal)
        return tokens


class Embeddings(nn.Module):
    """Words and their places."""

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(words, dim), nn.Embedding(PLACES, dim)
        self.LayerNorm = nn.LayerNorm(dim, eps=EPS)

    def forward(self, words: Int[Tensor, "batch token"]) -> Float[Tensor, "batch token dim"]:
        """Tokens of words."""
        places = self.position_embeddings.weight[: words.shape[1]]
        tokens: Tensor = self.LayerNorm(self.word_embeddings(words) + places)
        return tokens


class Bert(nn.Module):
    """A text that sees something."""

    def __init__(self, words: int, count: int, dim: int, heads: int, seen: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(words, dim)
        self.encoder = Layers(count, dim, heads, seen)

    def forward(
        self,
        words: Int[Tensor, "batch token"],
        seen: Float[Tensor, "batch other seen"],
        *,
        there: Bool[Tensor, "batch token"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch token dim"]:
        """Tokens of words; `there`: which of them are words; causal: no token sees later ones."""
        tokens: Tensor = self.encoder(self.embeddings(words), seen, there=there, causal=causal)
        return tokens


class Writer(nn.Module):
    """A text that sees something, and goes on."""

    def __init__(self, words: int, count: int, dim: int, heads: int) -> None:
        super().__init__()
        self.bert = Bert(words, count, dim, heads, dim)
        transform = nn.ModuleDict({"dense": nn.Linear(dim, dim), "LayerNorm": nn.LayerNorm(dim, eps=EPS)})
        self.cls = nn.ModuleDict(
            {"predictions": nn.ModuleDict({"transform": transform, "decoder": nn.Linear(dim, words)})}
        )

    def forward(
        self, words: Int[Tensor, "batch token"], seen: Float[Tensor, "batch other dim"]
    ) -> Float[Tensor, "batch word"]:
        """Logits of the word after the last one."""
        last = self.bert(words, seen, causal=True)[:, -1]
        head = self.cls.get_submodule("predictions.transform")
        hidden = head.get_submodule("LayerNorm")(gelu(head.get_submodule("dense")(last)))
        logits: Tensor = self.cls.get_submodule("predictions.decoder")(hidden)
        return logits


class OneByOne(nn.Module):
    """A linear layer of one output for each token, all different."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.W, self.b = nn.Parameter(torch.zeros(1, count, dim)), nn.Parameter(torch.zeros(1, count))

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token"]:
        """One number a token."""
        return (self.W * tokens).sum(-1) + self.b
