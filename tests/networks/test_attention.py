import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.networks.attention import CrossAttention, Scene, SelfAttention, attend
from reward_forcing.networks.layouts import Layout
from reward_forcing.networks.rotary import rotate, rotations
from tests.tiny import normal


def attended_slowly(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    scores = torch.einsum("bqhd,bkhd->bhqk", queries, keys) / queries.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), values)


@pytest.mark.parametrize("masked", [False, True])
def test_softmax_attention(masked: bool) -> None:
    queries, keys, values = normal(2, 4, 2, 6), normal(2, 5, 2, 6, seed=1), normal(2, 5, 2, 6, seed=2)
    mask = normal(4, 5, seed=3) > -0.5 if masked else None
    assert_close(attend(queries, keys, values, mask), attended_slowly(queries, keys, values, mask))


def test_tokens_see_what_their_frames_see() -> None:
    turns = rotations(torch.arange(2.0), 1, 2, 12)
    mask = Scene.of(Layout(torch.arange(2.0), torch.tensor([[True, False], [True, True]])), turns).mask
    assert mask is not None
    assert mask.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert Scene.of(Layout(torch.arange(2.0)), turns).mask is None


def rms(states: Tensor, weight: Tensor) -> Tensor:
    """Root-mean-square normalisation over all heads together."""
    return states * (states.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def test_self_attention_step_by_step() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(24, 2)
    torch.nn.init.normal_(layer.norm_k.weight)
    tokens, turns = normal(2, 3, 4, 24), rotations(torch.arange(3.0), 2, 2, 12)
    out, keys, values = layer(tokens, Scene(turns, None), None)
    assert_close(keys.flatten(3), rms(layer.k(tokens), layer.norm_k.weight))
    assert_close(values.flatten(3), layer.v(tokens))
    queries = rotate(rms(layer.q(tokens), layer.norm_q.weight).unflatten(-1, (2, -1)), turns)
    attended = attended_slowly(queries.flatten(1, 2), rotate(keys, turns).flatten(1, 2), values.flatten(1, 2), None)
    assert_close(out, layer.o(attended.flatten(2)).view_as(tokens))


def test_remembered_frames_come_first() -> None:
    """A frame after a remembered one computes what it does beside it, if the earlier one cannot look ahead."""
    torch.manual_seed(0)
    layer = SelfAttention(24, 2)
    tokens, turns = normal(1, 2, 4, 24), rotations(torch.arange(2.0), 2, 2, 12)
    causal = torch.tensor([[True, False], [True, True]])
    together, keys, values = layer(tokens, Scene.of(Layout(torch.arange(2.0), causal), turns), None)
    past = (keys[:, :1], values[:, :1])
    alone, own_keys, own_values = layer(tokens[:, 1:], Scene(turns, None), past)
    assert_close(alone, together[:, 1:])
    assert_close(own_keys, keys[:, 1:])
    assert_close(own_values, values[:, 1:])


@pytest.mark.parametrize("words", [3, 9])
def test_cross_attention_attends_every_word_padding_included(words: int) -> None:
    torch.manual_seed(0)
    layer = CrossAttention(24, 2)
    tokens, text = normal(1, 2, 4, 24), normal(1, words, 24, seed=1)
    queries = rms(layer.q(tokens), layer.norm_q.weight).flatten(1, 2).unflatten(-1, (2, -1))
    keys = rms(layer.k(text), layer.norm_k.weight).unflatten(-1, (2, -1))
    values = layer.v(text).unflatten(-1, (2, -1))
    expected = layer.o(attended_slowly(queries, keys, values, None).flatten(2)).view_as(tokens)
    assert_close(layer(tokens, text), expected)
    padded = torch.cat([text, torch.zeros(1, 1, 24)], 1)
    assert not torch.allclose(layer(tokens, padded), expected)
