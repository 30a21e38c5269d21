"""Layers of BERT that see something else, part by part."""

import torch
from torch.nn.functional import gelu, layer_norm
from torch.testing import assert_close

from evaluation.networks.attention import attend
from evaluation.networks.bert import Added, Attention, Bert, Embeddings, Layer, Layers, OneByOne, Writer
from tests import tiny
from tests.evaluation.networks.filling import filled


def test_added_is_normalised_after_the_sum() -> None:
    layer, given, before = filled(Added(5, 4), std=0.5), tiny.normal(2, 3, 5), tiny.normal(2, 3, 4, seed=1)
    total = given @ layer.dense.weight.T + layer.dense.bias + before
    norm = layer.LayerNorm
    assert_close(layer(given, before), layer_norm(total, (4,), norm.weight, norm.bias, 1e-12))


def test_attention_looks_at_what_is_seen() -> None:
    layer = filled(Attention(6, 2, 5), std=0.5)
    tokens, seen = tiny.normal(1, 3, 6), tiny.normal(1, 4, 5, seed=1)
    query, key, value = layer.self["query"](tokens), layer.self["key"](seen), layer.self["value"](seen)
    assert_close(layer(tokens, seen), layer.output(attend(query, key, value, 2), tokens))


def test_what_is_not_there_is_not_seen() -> None:
    layer, tokens, seen = filled(Attention(6, 2, 5), std=0.5), tiny.normal(2, 3, 6), tiny.normal(2, 4, 5, seed=1)
    there = torch.tensor([[True, True, False, False], [True] * 4])
    assert_close(layer(tokens, seen, there=there)[0], layer(tokens[:1], seen[:1, :2])[0])
    assert_close(layer(tokens, seen, there=there)[1], layer(tokens, seen)[1])


def test_a_layer_by_hand() -> None:
    layer = filled(Layer(6, 2, 5), std=0.5)
    tokens, seen = tiny.normal(1, 3, 6), tiny.normal(1, 4, 5, seed=1)
    assert layer.attention is not None
    inner = layer.crossattention(layer.attention(tokens, tokens), seen)
    assert_close(layer(tokens, seen), layer.output(gelu(layer.intermediate["dense"](inner)), inner))


def test_alone_tokens_do_not_see_each_other() -> None:
    layers = filled(Layers(2, 6, 2, 5, alone=True), std=0.5)
    tokens, seen = tiny.normal(1, 3, 6), tiny.normal(1, 4, 5, seed=1)
    assert_close(layers(tokens, seen)[:, 1:2], layers(tokens[:, 1:2], seen))
    assert not any("attention.self" in name and "cross" not in name for name in layers.state_dict())
    sociable = filled(Layers(2, 6, 2, 5), std=0.5)
    assert not torch.allclose(sociable(tokens, seen)[:, 1:2], sociable(tokens[:, 1:2], seen))


def test_embeddings_are_words_and_places() -> None:
    layer, words = filled(Embeddings(7, 4), std=0.5), torch.tensor([[3, 3, 6]])
    total = layer.word_embeddings.weight[[3, 3, 6]] + layer.position_embeddings.weight[:3]
    assert_close(layer(words)[0], layer.LayerNorm(total))
    assert not torch.allclose(layer(words)[0, 0], layer(words)[0, 1])


def test_padding_changes_nothing() -> None:
    network = filled(Bert(9, 2, 6, 2, 5), std=0.5)
    words, seen = torch.tensor([[4, 5, 0, 0]]), tiny.normal(1, 3, 5)
    assert_close(network(words, seen, there=words != 0)[:, :2], network(words[:, :2], seen))


def test_causal_words_do_not_see_later_ones() -> None:
    network = filled(Bert(9, 2, 6, 2, 5), std=0.5)
    words, seen = torch.tensor([[4, 5, 6, 7]]), tiny.normal(1, 3, 5)
    assert_close(network(words, seen, causal=True)[:, :2], network(words[:, :2], seen, causal=True))
    assert not torch.allclose(network(words, seen)[:, :2], network(words[:, :2], seen))


def test_a_writer_says_what_follows_the_last_word() -> None:
    writer = filled(Writer(9, 2, 6, 2), std=0.5)
    words, seen = torch.tensor([[4, 5, 6], [4, 5, 7]]), tiny.normal(2, 3, 6)
    hidden = writer.bert(words, seen, causal=True)[:, -1]
    head = dict(writer.cls.named_parameters(prefix="p"))
    got = gelu(hidden @ head["p.predictions.transform.dense.weight"].T + head["p.predictions.transform.dense.bias"])
    weight, bias = (head[f"p.predictions.transform.LayerNorm.{name}"] for name in ("weight", "bias"))
    got = layer_norm(got, (6,), weight, bias, 1e-12)
    got = got @ head["p.predictions.decoder.weight"].T + head["p.predictions.decoder.bias"]
    assert_close(writer(words, seen), got)


def test_one_by_one_each_token_has_weights_of_its_own() -> None:
    layer, tokens = filled(OneByOne(3, 4), std=0.5), tiny.normal(2, 3, 4)
    for place in range(3):
        assert_close(layer(tokens)[:, place], tokens[:, place] @ layer.W[0, place] + layer.b[0, place])
