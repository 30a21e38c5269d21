"""Two ways to ask the words of a prompt, against each other."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from reward_forcing.networks.attention import CrossAttention
from reward_forcing.networks.words import FewWords, ManyWords, Told, are_few
from tests.tiny import normal

HEADS = 3


def both(keys: Tensor, values: Tensor, layer: nn.Linear) -> tuple[Told, Told]:
    many = ManyWords.of(keys, values, scaled_dot_product_attention, layer)
    return FewWords.of(keys, values, layer.weight, layer.bias), many


@pytest.mark.parametrize("words", [1, 4, 7])
def test_both_ways_have_the_same_answers_and_gradients(words: int) -> None:
    """However many words there are; large scores, too."""
    torch.manual_seed(0)
    layer, queries = nn.Linear(12, 12), (5 * normal(2, 6, 12)).requires_grad_()
    keys, values = (normal(2, words, HEADS, 4, seed=seed).requires_grad_() for seed in (1, 2))
    few, many = (told.answer(queries) for told in both(keys, values, layer))
    assert_close(few, many)
    inputs = (queries, keys, values, layer.weight, layer.bias)
    pairs = (torch.autograd.grad(answers, inputs, normal(2, 6, 12, seed=3)) for answers in (few, many))
    for one, other in zip(*pairs, strict=True):
        assert_close(one, other, rtol=1e-5, atol=2e-6)


def test_half_precision_rounds_a_little() -> None:
    torch.manual_seed(0)
    layer, queries = nn.Linear(12, 12).bfloat16(), normal(2, 6, 12).bfloat16()
    keys, values = (normal(2, 4, HEADS, 4, seed=seed).bfloat16() for seed in (1, 2))
    few, many = (told.answer(queries) for told in both(keys, values, layer))
    assert few.dtype == torch.bfloat16
    assert_close(few, many, rtol=0.05, atol=0.02)


def test_few_is_less_work() -> None:
    """Two products with a row for every head and word, against two of the words alone and the layer."""
    for count in (1, 4, 8, 9, 16, 512):
        pairs, attention_and_layer = 2 * 6 * count * 96, 2 * count * 96 + 96**2
        assert pairs <= attention_and_layer or not are_few(torch.zeros(1, count, 96), heads=6)
    assert are_few(torch.zeros(1, 4, 96), heads=6)
    assert not are_few(torch.zeros(1, 512, 1536), heads=12)


def test_an_adapter_around_the_layer_is_asked() -> None:
    layer = CrossAttention(24, 2)
    assert isinstance(layer.told(normal(1, 3, 24)), FewWords)
    layer.set_submodule("o", nn.Sequential(layer.o))
    assert isinstance(layer.told(normal(1, 3, 24)), ManyWords)


def test_many_words_are_asked_head_by_head() -> None:
    assert isinstance(CrossAttention(24, 2).told(normal(1, 7, 24)), ManyWords)
