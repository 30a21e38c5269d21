"""What autograd keeps, counted by torch's own hooks on a small network."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.common import LiveMemory
from reward_forcing.engine.quantised import INT8, ROWS, EightBits
from reward_forcing.memory.kv import KV
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.plan.activations import (
    Precision,
    backward_workspace,
    block_saved,
    eight_bits_workspace,
    forward_workspace,
    kept,
)
from reward_forcing.plan.costs import Pass, Sizes
from tests import tiny

SIZES: dict[str, Any] = {"channels": 4, "dim": 256, "ffn_dim": 512, "heads": 2, "text_dim": 8}
SIDE, FRAMES, WORDS = 16, 3, 7
TOKENS = (SIDE // 2) ** 2
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "mixed": torch.bfloat16}


def run(keys: int = FRAMES, batch: int = 1) -> Pass:
    return Pass(frames=FRAMES, keys=keys, tokens=TOKENS, words=WORDS, batch=batch)


def saved_bytes(layers: int, precision: Precision, past: int, checkpointing: float) -> int:
    """Bytes of everything saved for backward that is no parameter, a copy of one, or remembered."""
    network = WanTransformer(**SIZES, layers=layers, checkpointing=checkpointing)
    network = network.bfloat16() if precision == "bfloat16" else network
    shape = (layers, 1, past, TOKENS, 2, 128)
    kv = KV(torch.randn(shape).to(DTYPES[precision]), torch.randn(shape).to(DTYPES[precision]))
    own = {parameter.untyped_storage().data_ptr() for parameter in [*network.parameters(), kv.keys, kv.values]}
    shapes = {tuple(p.shape) for p in network.parameters()} | {tuple(p.shape[::-1]) for p in network.parameters()}
    held: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own and tuple(tensor.shape) not in shapes:
            held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    inputs = torch.randn(1, FRAMES, 4, SIDE, SIDE), torch.rand(1, FRAMES), torch.randn(1, WORDS, 8)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed"), saved_tensors_hooks(pack, lambda t: t):
        result = network(*inputs, tiny.Noted(kv))
    del result
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


@pytest.mark.parametrize("past", [0, 6])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "mixed"])
def test_what_a_block_saves(precision: Precision, past: int) -> None:
    """The difference between two blocks and one: the ends of the network do not count."""
    one, two = (saved_bytes(layers, precision, past, checkpointing=False) for layers in (1, 2))
    planned = block_saved(Sizes(**SIZES, layers=1), run(FRAMES + past), precision)
    assert two - one == pytest.approx(planned, rel=0.1)


def test_what_a_checkpointed_block_saves() -> None:
    one, two = (saved_bytes(layers, "float32", 6, checkpointing=True) for layers in (1, 2))
    planned = [kept(Sizes(**SIZES, layers=n), run(9), "float32", checkpointing=True) for n in (1, 2)]
    assert two - one == planned[1] - planned[0] == FRAMES * TOKENS * 256 * 4


def test_what_is_saved_falls_with_the_share_of_the_blocks() -> None:
    """By the difference of a block, for each that is recomputed; the ends of the network do not count."""
    sizes, shares = Sizes(**SIZES, layers=4), (0, 0.25, 0.5, 0.75, 1)
    saved = [saved_bytes(4, "float32", 6, checkpointing=share) for share in shares]
    planned = [kept(sizes, run(9), "float32", checkpointing=share) for share in shares]
    for more, less in pairwise(range(5)):
        assert 0 < saved[more] - saved[less] == pytest.approx(planned[more] - planned[less], rel=0.1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "mixed"])
def test_everything_grows_with_the_batch(precision: Precision) -> None:
    sizes = Sizes(**SIZES, layers=3)
    for checkpointing in (False, 0.5, True):
        one, four = (kept(sizes, run(batch=batch), precision, checkpointing=checkpointing) for batch in (1, 4))
        assert four == 4 * one
    assert forward_workspace(sizes, run(batch=4)) == 4 * forward_workspace(sizes, run())


def test_checkpointing_keeps_less_and_needs_a_block_for_a_while() -> None:
    sizes = Sizes(**SIZES, layers=30)
    without, with_it = (kept(sizes, run(9), "mixed", checkpointing=choice) for choice in (False, True))
    assert with_it < without / 10
    assert without == 30 * block_saved(sizes, run(9), "mixed")
    more = [backward_workspace(sizes, run(9), "mixed", checkpointing=choice) for choice in (False, True)]
    assert more[1] - more[0] == block_saved(sizes, run(9), "mixed")


@pytest.mark.parametrize(("share", "blocks"), [(False, 0), (0.5, 0), (0.75, 0), (True, 1)])
def test_recomputed_tensors_take_the_place_of_those_of_the_last_block(share: float, blocks: int) -> None:
    """What is in use at once backward, beyond what was at its start: a block more only where all are recomputed."""
    network = WanTransformer(**SIZES, layers=4, checkpointing=share)
    torch.nn.init.normal_(network.head.head.weight)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    given = torch.randn(1, FRAMES, 4, SIDE, SIDE), torch.rand(1, FRAMES), torch.randn(1, WORDS, 8)
    with LiveMemory() as live:
        loss = network(*given).square().mean()
        start = live.peak = live.now
        loss.backward()
    beyond = live.peak - start - blocks * block_saved(Sizes(**SIZES, layers=4), run(), "float32")
    assert 0 < beyond < block_saved(Sizes(**SIZES, layers=4), run(), "float32") / 2


def test_halving_the_precision_halves_most() -> None:
    sizes = Sizes(**SIZES, layers=1)
    wide, narrow, mixed = (block_saved(sizes, run(9), name) for name in ("float32", "bfloat16", "mixed"))
    assert narrow < mixed < wide
    assert narrow / wide == pytest.approx(0.57, abs=0.05)


@pytest.mark.parametrize(("inputs", "outputs"), [(256, 512), (512, 256)])
def test_what_a_layer_in_eight_bits_has_in_use(inputs: int, outputs: int) -> None:
    layer, states = EightBits(torch.nn.Linear(inputs, outputs), INT8), torch.randn(FRAMES * TOKENS, inputs)
    with torch.no_grad(), LiveMemory() as counted:
        found = layer(states)
    planned = eight_bits_workspace(Sizes(**SIZES, layers=1), run())
    assert 0.5 * planned < counted.peak - found.nbytes <= planned


def test_what_layers_in_eight_bits_have_in_use_does_not_grow_for_ever() -> None:
    sizes = Sizes(**SIZES, layers=1)
    two, three = (eight_bits_workspace(sizes, run(batch=-(-n * ROWS // run().queries))) for n in (2, 3))
    assert two == three > 2 * eight_bits_workspace(sizes, run())
