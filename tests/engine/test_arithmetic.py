"""The arithmetic around memory and attention, against the words of the network."""

import torch
from torch.testing import assert_close

from reward_forcing.engine.arithmetic import PLAIN, after, before, between, modulated
from reward_forcing.engine.conditions import Levels
from reward_forcing.engine.weights import blocks_of, fused
from reward_forcing.networks import wan
from reward_forcing.networks.arithmetic import normalised
from tests import tiny

NETWORK = tiny.network()
BLOCK, HEADS = blocks_of(NETWORK)[1], NETWORK.heads
FUSED = fused(BLOCK, torch.float32, torch.float32)
HOW = Levels(NETWORK, torch.float32).of((0.75,), tiny.latents())[0][1]
TOKENS = tiny.normal(2, 1, 5, 24)


def test_queries_keys_and_values_are_those_of_the_network() -> None:
    both, values = before(TOKENS, HOW, FUSED, HEADS, torch.float32)
    own, seen = BLOCK.self_attn, wan.modulate(TOKENS, HOW.shift, HOW.scale - 1)
    for found, layer, norm in zip(both.unbind(3), (own.q, own.k), (own.norm_q, own.norm_k), strict=True):
        assert_close(found.flatten(3), normalised(layer(seen), norm))
    assert_close(values.flatten(3), own.v(seen))


def test_what_words_are_asked_comes_after_what_was_seen() -> None:
    seen, words = tiny.normal(2, 5, 24, seed=1), BLOCK.cross_attn
    tokens, queries = between(TOKENS, [seen], HOW.gate, FUSED)
    assert_close(tokens[:, 0], TOKENS[:, 0] + HOW.gate * BLOCK.self_attn.o(seen))
    assert_close(queries, normalised(words.q(BLOCK.norm3(tokens[:, 0])), words.norm_q))


def test_parts_lie_in_a_row_for_the_words() -> None:
    """[batch, part, token] become [batch, query]; each part has its own gate."""
    tokens, seen = tiny.normal(2, 2, 5, 24), [tiny.normal(2, 5, 24, seed=seed) for seed in (1, 2)]
    gates = tiny.normal(2, 1, 24, seed=3)
    moved, queries = between(tokens, seen, gates, FUSED)
    for part in range(2):
        alone, asked = between(tokens[:, part : part + 1], seen[part : part + 1], gates[part, 0], FUSED)
        assert_close(moved[:, part], alone[:, 0])
        assert_close(queries[:, 5 * part : 5 * part + 5], asked)


def test_tokens_are_fed_forward_with_what_they_took() -> None:
    answers = tiny.normal(2, 5, 24, seed=1)
    tokens = TOKENS + answers.unsqueeze(1)
    wanted = tokens + HOW.gate_ffn * BLOCK.ffn(wan.modulate(tokens, HOW.shift_ffn, HOW.scale_ffn - 1))
    assert_close(after(TOKENS, answers, HOW, FUSED), wanted)


def test_modulation_is_that_of_the_network() -> None:
    tokens, shift, scale = tiny.normal(2, 2, 5, 24), tiny.normal(24, seed=1), tiny.normal(24, seed=2)
    wanted = wan.modulate(tokens, shift, scale)
    assert_close(modulated(tokens, shift, 1 + scale), wanted)
    parts = tiny.normal(2, 1, 24, seed=3), tiny.normal(2, 1, 24, seed=4)
    assert_close(modulated(tokens, parts[0], 1 + parts[1]), wan.modulate(tokens, *parts))


def test_plain_arithmetic_is_these_functions() -> None:
    assert PLAIN[0] is before
    assert PLAIN[2:] == (between, after)
