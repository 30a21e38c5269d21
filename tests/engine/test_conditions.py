from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine.attention import sdpa
from reward_forcing.engine.conditions import Levels, Prompted
from reward_forcing.engine.quantised import linear_for
from reward_forcing.engine.weights import Affine, Linear, affine, as_it_is, blocks_of
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.words import FewWords, ManyWords
from tests import tiny

LATENTS = tiny.latents(2)


def six(network: WanTransformer, layer: int, level: float) -> tuple[Tensor, ...]:
    """The six vectors of a block at a level, by the network's own words."""
    _, time = network.embed_time(torch.tensor([[level]], dtype=LATENTS.dtype))
    return (blocks_of(network)[layer].modulation + time[:, 0])[0].unbind()


def test_a_level_modulates_as_in_the_network() -> None:
    network = tiny.network()
    blocks, (shift, scale) = Levels(network, torch.float32).of((0.75,), LATENTS)
    for layer in range(network.layers):
        shift_sa, scale_sa, gate_sa, shift_ffn, scale_ffn, gate_ffn = six(network, layer, 0.75)
        wanted = (shift_sa, 1 + scale_sa, gate_sa, shift_ffn, 1 + scale_ffn, gate_ffn)
        for found, vector in zip(blocks[layer], wanted, strict=True):
            assert_close(found, vector)
    time, _ = network.embed_time(torch.tensor([[0.75]]))
    assert_close(shift, (network.head.modulation + time)[0, 0])
    assert_close(scale, 1 + (network.head.modulation + time)[0, 1])


def test_parts_have_their_own_levels() -> None:
    """[part, 1, dim]: one row a part, for all of its tokens."""
    levels = Levels(tiny.network(), torch.float32)
    both, (shift, _) = levels.of((0.0, 1.0), LATENTS)
    for part, level in enumerate((0.0, 1.0)):
        alone, (shift_alone, _) = levels.of((level,), LATENTS)
        assert_close(both[1].gate[part, 0], alone[1].gate)
        assert_close(both[0].scale_ffn[part, 0], alone[0].scale_ffn)
        assert_close(shift[part, 0], shift_alone)


def test_a_level_is_embedded_once() -> None:
    levels = Levels(tiny.network(), torch.float32)
    assert levels.of((0.5,), LATENTS) is levels.of((0.5,), LATENTS)
    assert len(levels.known) == 1
    levels.of((0.0, 0.5), LATENTS)
    assert [*levels.known] == [(0.5,), (0.0, 0.5)]


@pytest.mark.parametrize("stream", [torch.float32, torch.bfloat16])
def test_vectors_have_the_precision_of_the_residual_stream(stream: torch.dtype) -> None:
    blocks, head = Levels(tiny.network().bfloat16(), stream).of((0.5,), LATENTS)
    assert {vector.dtype for vector in (*blocks[0], *head)} == {stream}


def prompted(network: WanTransformer, linear: Callable[[Affine], Linear] = as_it_is) -> Prompted:
    outs = [linear(affine(block.cross_attn.o, torch.float32)) for block in blocks_of(network)]
    return Prompted(network, sdpa, outs, torch.float32)


@pytest.mark.parametrize("words", [3, 9], ids=["few", "many"])
def test_blocks_are_told_what_those_of_the_network_are(words: int) -> None:
    network, prompt, queries = tiny.network(), tiny.normal(2, words, 5), tiny.normal(2, 8, 24)
    text = network.text_embedding(prompt)
    for block, told in zip(blocks_of(network), prompted(network).by(prompt), strict=True):
        wanted = block.cross_attn.told(text)
        assert type(told) is type(wanted) is (FewWords if words == 3 else ManyWords)
        assert_close(told.answer(queries), wanted.answer(queries))


def test_a_rounded_layer_is_not_hidden_in_the_words() -> None:
    """What computes the layer in another way computes it; few words make no difference."""
    told = prompted(tiny.network(), linear_for("int8")).by(tiny.normal(2, 3, 5))
    assert {type(one) for one in told} == {ManyWords}


def test_what_was_told_is_kept_for_as_long_as_the_prompt_holds() -> None:
    told, first, second = prompted(tiny.network()), tiny.prompts(), tiny.prompts(1, 1)
    queries = tiny.normal(1, 8, 24)
    made = told.by(first)
    answer = made[0].answer(queries)
    assert told.by(first) is made
    assert not torch.equal(told.by(second)[0].answer(queries), answer)
    assert torch.equal(told.by(first)[0].answer(queries), answer)
