"""Costs against torch's own counts."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reward_forcing.memory.kv import KV
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.plan.costs import (
    Pass,
    Sizes,
    chunk_flops,
    decode_flops,
    forward_flops,
    kv_bytes,
    seen_frames,
    training_flops,
)
from reward_forcing.plan.networks import PUBLISHED
from reward_forcing.shapes import Geometry
from tests import tiny

SMALL, LARGE = PUBLISHED["1.3B"], PUBLISHED["14B"]
TOKENS, WORDS = 1560, 512
WAN = Geometry(channels=16, height=60, width=104, frames=21, chunk_frames=3)


def wan(**more: int) -> Pass:
    return Pass(**{"tokens": TOKENS, "words": WORDS, **more})


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"places": 4},
        {"patch": 1, "heads": 3, "dim": 36},
        {"layers": 5, "text_dim": 11, "freq_dim": 6, "channels": 3},
    ],
)
def test_parameters_are_counted_in_closed_form(sizes: dict[str, Any]) -> None:
    with torch.device("meta"):
        network = WanTransformer(**{**tiny.SIZES, **sizes})
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert Sizes(**network.sizes).parameters == counted
    assert Sizes(**network.sizes).block_parameters == sum(p.numel() for p in network.blocks[0].parameters())
    layers = [layer for layer in network.blocks[0].modules() if isinstance(layer, torch.nn.Linear)]
    counts = sum(layer.weight.numel() for layer in layers), sum(layer.out_features for layer in layers)
    assert Sizes(**network.sizes).block_linears == counts


def test_the_published_sizes() -> None:
    assert SMALL.parameters == 1_418_996_800
    assert LARGE.parameters == 14_288_491_584


@pytest.mark.parametrize(("past", "batch", "frames"), [(None, 1, 3), (None, 2, 2), (0, 1, 3), (6, 1, 3), (2, 2, 1)])
def test_forward_operations_equal_torchs_count(past: int | None, batch: int, frames: int) -> None:
    network = tiny.network()
    noisy, sigma, prompt = tiny.latents(batch, frames), tiny.sigmas(batch, frames), tiny.prompts(batch)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if past is None:
            network(noisy, sigma, prompt)
        else:
            shape = (2, batch, past, 4, 2, 12)
            network(noisy, sigma, prompt, tiny.Noted(KV(torch.zeros(shape), torch.zeros(shape))))
    run = Pass(frames=frames, keys=frames + (past or 0), tokens=4, words=tiny.WORDS, batch=batch)
    assert forward_flops(Sizes(**network.sizes), run) == counter.get_total_flops()


def test_one_noise_level_a_sample_is_embedded_once() -> None:
    network = tiny.network()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(tiny.latents(frames=3), torch.rand(1), tiny.prompts())
    run = Pass(frames=3, tokens=4, words=tiny.WORDS, levels=1)
    assert forward_flops(Sizes(**network.sizes), run) == counter.get_total_flops()


@pytest.mark.parametrize("checkpointing", [False, 0.5, True])
def test_learning_costs_about_what_torch_counts(checkpointing: float) -> None:
    """The first layers need no gradient of their inputs, which a small network notices and a large one does not."""
    network = tiny.network(layers=6, checkpointing=checkpointing)
    with FlopCounterMode(display=False) as counter:
        network(tiny.latents(), tiny.sigmas(1, 3), tiny.prompts()).sum().backward()
    planned = training_flops(
        Sizes(**network.sizes), Pass(frames=3, tokens=4, words=tiny.WORDS), checkpointing=checkpointing
    )
    assert counter.get_total_flops() == pytest.approx(planned, rel=0.1)


@pytest.mark.parametrize(("keys", "tera"), [(9, 24.3), (12, 28.3), (21, 40.4)])
def test_a_pass_over_a_chunk_of_the_small_model(keys: int, tera: float) -> None:
    assert forward_flops(SMALL, wan(frames=3, keys=keys)) / 1e12 == pytest.approx(tera, rel=0.01)


@pytest.mark.parametrize(("sizes", "tera"), [(SMALL, 283), (LARGE, 1676)])
def test_a_pass_over_a_clip(sizes: Sizes, tera: float) -> None:
    assert forward_flops(sizes, wan(frames=21)) / 1e12 == pytest.approx(tera, rel=0.01)


def test_a_streamed_chunk_is_five_passes() -> None:
    run = wan(frames=3, keys=9)
    assert chunk_flops(SMALL, run, steps=4) == 5 * forward_flops(SMALL, run)
    assert chunk_flops(SMALL, run, steps=4) / 1e12 == pytest.approx(121, rel=0.015)


@pytest.mark.parametrize(("sizes", "frames", "gib"), [(SMALL, 9, 2.41), (SMALL, 21, 5.62), (LARGE, 9, 10.7)])
def test_keys_and_values(sizes: Sizes, frames: int, gib: float) -> None:
    assert kv_bytes(sizes, frames=frames, tokens=TOKENS) / 2**30 == pytest.approx(gib, rel=0.005)


def test_keys_and_values_are_as_large_as_the_networks_own() -> None:
    network = tiny.network()
    _, written = tiny.passed(network, tiny.latents(2), tiny.sigmas(2, 3), tiny.prompts(2))
    held = written.keys.nbytes + written.values.nbytes
    assert kv_bytes(Sizes(**network.sizes), frames=3, tokens=4, batch=2, width=4) == held


def test_a_window_fills_and_stays() -> None:
    assert [seen_frames(WAN, 9, chunk) for chunk in range(5)] == [3, 6, 9, 9, 9]
    assert [seen_frames(WAN, None, chunk) for chunk in range(5)] == [3, 6, 9, 12, 15]


def test_decoding_costs_what_torch_counts_in_diffusers_codec() -> None:
    from diffusers import AutoencoderKLWan

    geometry = Geometry(channels=16, height=8, width=8, frames=6, chunk_frames=3)
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        AutoencoderKLWan().decode(torch.randn(1, *(16, 6, 8, 8)))
    assert decode_flops(geometry) == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_decoding_a_clip_costs_as_much_as_a_pass_over_it() -> None:
    assert decode_flops(WAN, 2) == 2 * decode_flops(WAN)
    assert decode_flops(WAN) == pytest.approx(forward_flops(SMALL, wan(frames=21)), rel=0.05)
