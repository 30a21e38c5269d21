"""Passes of the fast network against calls of the network itself."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine.attention import sdpa
from reward_forcing.engine.network import CONTEXT, FastNetwork, Remembering
from reward_forcing.engine.reference import PlainPasses
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.networks.wan import WanTransformer
from tests import tiny

POLICY = MemoryPolicy(sink=EMASink(frames=2, decay=0.6), window_frames=6, chunk_frames=2)
PROMPT = tiny.prompts(2)
CHUNKS = [tiny.latents(2, 2, seed) for seed in range(6)]


class Pair:
    """The same memory twice: one for calls of the network, the other for fast passes."""

    def __init__(self, network: WanTransformer, chunks: int) -> None:
        network.requires_grad_(requires_grad=False)
        self.plain = PlainPasses(network, Remembered(POLICY))
        self.fast = FastNetwork(network, sdpa)
        self.memory = Remembering(Remembered(POLICY), network.layers, 0)
        for chunk in CHUNKS[:chunks]:
            self.plain.remember(chunk, PROMPT, learning=False)
            assert self.fast.run([chunk], (CONTEXT,), PROMPT, self.memory) is None

    def assert_memories_agree(self, layers: int, **tolerance: Any) -> None:
        for layer in range(layers):
            one, other = self.plain.memory.layers[layer], self.memory.past.layers[layer]
            assert (one.seen, one.frames) == (other.seen, other.frames)
            for part in ("sink", "recent"):
                assert_close(getattr(one, part).keys, getattr(other, part).keys, **tolerance)
                assert_close(getattr(one, part).values, getattr(other, part).values, **tolerance)


@pytest.mark.parametrize("chunks", range(5))
def test_a_denoising_pass_is_the_networks(chunks: int) -> None:
    """From the first chunk on, while the window fills, and when frames have left it."""
    pair = Pair(tiny.network(), chunks)
    velocity = pair.fast.run([CHUNKS[5]], (0.75,), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(CHUNKS[5], 0.75, PROMPT))


@pytest.mark.parametrize("chunks", range(5))
def test_two_passes_at_once_are_one_after_the_other(chunks: int) -> None:
    """The context pass writes a layer before the denoising pass reads it."""
    pair = Pair(tiny.network(), chunks)
    clean, noisy = CHUNKS[4], CHUNKS[5]
    pair.plain.remember(clean, PROMPT, learning=False)
    velocity = pair.fast.run([clean, noisy], (CONTEXT, 1.0), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(noisy, 1.0, PROMPT))
    pair.assert_memories_agree(2)


@pytest.mark.parametrize("sizes", [{"layers": 1}, {"layers": 3}, {"places": 4}, {"patch": 1}, {"heads": 1}])
def test_networks_of_other_sizes(sizes: dict[str, Any]) -> None:
    pair = Pair(tiny.network(**sizes), 3)
    pair.plain.remember(CHUNKS[4], PROMPT, learning=False)
    velocity = pair.fast.run([CHUNKS[4], CHUNKS[5]], (CONTEXT, 0.5), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(CHUNKS[5], 0.5, PROMPT))


def test_a_frame_need_not_be_square() -> None:
    pair = Pair(tiny.network(), 0)
    wide = tiny.normal(2, 2, 2, 4, 8)
    velocity = pair.fast.run([wide], (0.5,), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(wide, 0.5, PROMPT))


@pytest.mark.parametrize("norm_dtype", [None, "float32"])
def test_in_bf16_it_is_as_near_to_fp32_as_the_network(norm_dtype: Any) -> None:
    """Both round, at different places; neither is to be much farther from the truth."""
    exact = Pair(tiny.network(), 3).plain.velocity(CHUNKS[5], 0.75, PROMPT)
    pair = Pair(tiny.network(norm_dtype=norm_dtype).bfloat16(), 3)
    velocity = pair.fast.run([CHUNKS[5]], (0.75,), PROMPT, pair.memory)
    assert isinstance(velocity, Tensor)
    assert velocity.dtype == torch.float32
    plain = pair.plain.velocity(CHUNKS[5], 0.75, PROMPT)
    assert (velocity - exact).norm() < 1.5 * (plain - exact).norm()
    pair.assert_memories_agree(2, rtol=0.1, atol=0.1)


def test_what_it_writes_stays_what_it_is() -> None:
    """Later passes go into the same buffers, but memories are values."""
    pair = Pair(tiny.network(), 3)
    kept = {layer: memory.recent.keys.clone() for layer, memory in pair.memory.past.layers.items()}
    values = dict(pair.memory.past.layers)
    for chunk in CHUNKS:
        pair.fast.run([chunk], (0.5,), PROMPT, pair.memory)
        pair.fast.run([chunk], (CONTEXT,), PROMPT, pair.memory)
    assert all(torch.equal(values[layer].recent.keys, keys) for layer, keys in kept.items())


def test_a_memory_that_others_have_changed_is_read_again() -> None:
    pair = Pair(tiny.network(), 3)
    for memory in (pair.plain.memory, pair.memory.past):
        memory.forget_recent()
    velocity = pair.fast.run([CHUNKS[5]], (0.75,), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(CHUNKS[5], 0.75, PROMPT))
    for memory in (pair.plain.memory, pair.memory.past):
        memory.forget()
    velocity = pair.fast.run([CHUNKS[5]], (0.75,), PROMPT, pair.memory)
    assert_close(velocity, pair.plain.velocity(CHUNKS[5], 0.75, PROMPT))
