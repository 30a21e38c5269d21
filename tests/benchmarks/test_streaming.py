"""A stream measured."""

from dataclasses import replace

import torch

from benchmarks.small import SCENE, lengths
from benchmarks.streaming import LIMIT_GB, PAPER, Peak, network_of, planned, stream, summary
from reward_forcing.plan.costs import Sizes

CPU = torch.device("cpu")


def test_a_network_of_any_size_is_made_without_a_file() -> None:
    network = network_of(SCENE.sizes, CPU, torch.bfloat16, checkpointing=True)
    assert Sizes(**network.sizes) == SCENE.sizes
    assert network.checkpointing
    assert network.dtype == torch.bfloat16
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_a_stream_takes_the_same_memory_however_long() -> None:
    """Whole: a chunk is generated, the one before is remembered, a window that is full moves on."""
    measured = stream(SCENE, network_of(SCENE.sizes, CPU, SCENE.dtype), 12)
    assert len(measured["seconds"]) == len(measured["bytes"]) == 12
    assert len(set(measured["bytes"][4:])) == 1
    told = summary(SCENE, measured)
    assert told["memory_grows_gb"] == 0
    assert told["memory_within_limit"]
    assert told["fps"] == 12 / told["chunk_seconds_p50"]
    assert told["chunk_seconds_p95"] >= told["chunk_seconds_p50"]


def test_late_chunks_are_as_large_as_early_ones() -> None:
    assert lengths(16)["late_to_early_chunk_bytes"] == 1


def test_a_peak_starts_again() -> None:
    with Peak(CPU) as peak:
        large = torch.zeros(1000)
        del large
        assert peak.restart() == 4000
        small = torch.zeros(10)
        assert peak.restart() == 40
        del small


def test_the_paper_is_what_is_measured_on_a_gpu() -> None:
    assert PAPER.sizes.parameters == 1_418_996_800
    assert (PAPER.window, PAPER.geometry.tokens_per_frame, LIMIT_GB) == (9, 1560, 3.5)


def test_what_is_planned_is_what_memory_and_chunk_take_at_least() -> None:
    """Six frames are remembered, three of them in fp32, and a chunk is being made: 12.5 million numbers a frame."""
    frame = 2 * 30 * 1560 * 1536
    assert planned(PAPER) * 1e9 > (3 * 4 + 3 * 2 + 3 * 2) * frame
    assert planned(PAPER) == planned(replace(PAPER, levels=(1.0,)))
