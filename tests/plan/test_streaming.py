"""Memory of a stream, planned and counted."""

from dataclasses import replace

import pytest
import torch

from benchmarks.streaming import PAPER, Scene, network_of, stream
from reward_forcing.plan.costs import Sizes
from reward_forcing.plan.streaming import Streaming
from reward_forcing.shapes import Geometry

GEOMETRY = Geometry(channels=4, height=32, width=32, frames=21, chunk_frames=3)
SIZES = Sizes(channels=4, dim=96, ffn_dim=256, heads=4, layers=24, text_dim=16, freq_dim=32)
WAN = Streaming(sizes=PAPER.sizes, geometry=PAPER.geometry, window=9, sink=3, words=512)


def test_the_plan_is_what_is_counted() -> None:
    scene = Scene(sizes=SIZES, geometry=GEOMETRY, words=16, levels=(1.0, 0.5))
    counted = stream(scene, network_of(SIZES, torch.device("cpu"), torch.bfloat16), 7)["bytes"]
    planned = Streaming(sizes=SIZES, geometry=GEOMETRY, window=9, sink=3, words=16)
    assert max(counted) == pytest.approx(planned.peak, rel=0.1)
    assert counted[4] == counted[5] == counted[6], "however long the video"


def test_a_window_and_a_workspace_stay_below_the_limit() -> None:
    assert WAN.least < 3.5e9


def test_the_parts_at_real_size() -> None:
    gigabytes = [round(size / 1e9, 2) for size in (WAN.memory, WAN.chunk, WAN.reading, WAN.workspace)]
    assert gigabytes == [2.59, 0.86, 1.73, 0.51]
    assert WAN.peak == WAN.memory + WAN.chunk + WAN.reading + WAN.workspace < 5.8e9


def test_a_sink_in_bf16_is_half_as_large() -> None:
    assert WAN.memory - replace(WAN, sink_width=2).memory == replace(WAN, sink_width=2).memory / 2


def test_everything_grows_with_the_batch() -> None:
    assert replace(WAN, batch=3).peak == 3 * WAN.peak


def test_without_a_sink_the_window_is_recent() -> None:
    bare = replace(WAN, sink=0)
    assert bare.memory == bare.reading
    assert bare.peak < WAN.peak
