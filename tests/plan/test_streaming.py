"""Memory of a stream, planned and counted."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.common import LiveMemory
from benchmarks.small import NARROW
from benchmarks.streaming import LIMIT_GB, PAPER, foreseen, network_of, rollout_of, stream
from reward_forcing.networks.rotary import turns_of
from reward_forcing.plan.streaming import Streaming
from reward_forcing.rollout import generate
from reward_forcing.seeding import VideoNoise
from reward_forcing.switching import SWITCHES
from tests.tiny import normal

WAN = Streaming(sizes=PAPER.sizes, geometry=PAPER.geometry, window=9, sink=3)
CPU = torch.device("cpu")
FULL = 3
"""Chunks in a full window."""

TOLERANCE = 0.03
"""Of a plan: latents, embeddings and vectors a frame are not in it."""


@pytest.mark.parametrize("change", [{}, {"window": 8}, {"window": 6}, {"window": 15}, {"dtype": torch.float32}])
def test_the_plan_is_what_is_counted(change: dict[str, Any]) -> None:
    """From the moment when the window is full to the end of the video, the sink in fp32 and passes in bf16."""
    scene = replace(NARROW, **change)
    counted = stream(scene, network_of(scene.sizes, CPU, scene.dtype), 9)["bytes"]
    assert max(counted) == pytest.approx(foreseen(scene).peak, rel=TOLERANCE)
    assert counted[6] == counted[7] == counted[8] == max(counted), "however long the video"


def test_a_wide_feed_forward_layer_is_counted_too() -> None:
    scene = replace(NARROW, window=6, sizes=replace(NARROW.sizes, ffn_dim=1024))
    planned = foreseen(scene)
    assert planned.feeding > planned.attending
    counted = stream(scene, network_of(scene.sizes, CPU, scene.dtype), 7)["bytes"]
    assert max(counted) == pytest.approx(planned.peak, rel=TOLERANCE)


@pytest.mark.parametrize("on_switch", SWITCHES)
def test_a_switch_takes_no_more(on_switch: str) -> None:
    """Not even while everything that the old prompt wrote is still there and is written again."""
    scene, network = NARROW, network_of(NARROW.sizes, CPU, NARROW.dtype)
    words = [normal(1, scene.words, scene.sizes.text_dim, seed=seed).to(scene.dtype) for seed in (1, 2)]
    noise = VideoNoise(keys=((0,),), chunk_shape=scene.geometry.chunk_shape)
    turns_of.cache_clear()
    with torch.inference_mode(), LiveMemory() as live:
        chunks = rollout_of(scene).stream(
            network, noise, lambda chunk: words[chunk >= FULL], chunks=range(6), on_switch=on_switch
        )
        generate(chunks)
    assert live.peak == pytest.approx(foreseen(scene).peak, rel=TOLERANCE)


def test_a_stream_of_real_size_stays_below_the_limit() -> None:
    assert foreseen(PAPER) == WAN
    assert WAN.peak <= LIMIT_GB * 1e9 == 3.5e9


def test_the_parts_at_real_size() -> None:
    parts = (WAN.memory, WAN.reading, WAN.turns, WAN.attending, WAN.feeding)
    assert [round(size / 1e9, 3) for size in parts] == [2.588, 0.058, 0.014, 0.374, 0.268]
    assert WAN.peak == sum(parts[:-1])
    frame = 2 * 30 * 1560 * 1536
    assert WAN.memory == (3 * 4 + 3 * 2) * frame, "of six frames, three are in fp32"


def test_a_sink_in_bf16_is_half_as_large() -> None:
    assert WAN.memory - replace(WAN, sink_width=2).memory == replace(WAN, sink_width=2).memory / 2


def test_everything_but_rotations_grows_with_the_batch() -> None:
    assert replace(WAN, batch=3).peak - WAN.turns == 3 * (WAN.peak - WAN.turns)


def test_only_memory_grows_with_layers() -> None:
    more = replace(WAN, sizes=replace(WAN.sizes, layers=60))
    assert more.peak - WAN.peak == WAN.memory
