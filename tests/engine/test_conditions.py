import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine.conditions import Levels, Words
from reward_forcing.engine.weights import blocks_of
from reward_forcing.networks.attention import normalised
from reward_forcing.networks.wan import WanTransformer
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


def test_words_are_the_keys_and_values_of_the_network() -> None:
    network, prompt = tiny.network(), tiny.prompts(2)
    for block, (keys, values) in zip(blocks_of(network), Words(network, torch.float32).of(prompt), strict=True):
        text, attention = network.text_embedding(prompt), block.cross_attn
        assert torch.equal(keys.transpose(1, 2).flatten(2), normalised(attention.k(text), attention.norm_k))
        assert torch.equal(values.transpose(1, 2).flatten(2), attention.v(text))


def test_words_are_kept_for_as_long_as_the_prompt_holds() -> None:
    words, first, second = Words(tiny.network(), torch.float32), tiny.prompts(), tiny.prompts(1, 1)
    made = words.of(first)
    assert words.of(first) is made
    changed = words.of(second)
    assert not torch.equal(changed[0][0], made[0][0])
    assert torch.equal(words.of(first)[0][0], made[0][0])
