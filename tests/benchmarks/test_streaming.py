"""A stream measured."""

from dataclasses import replace

import pytest
import torch

from benchmarks.small import SCENE, bytes_of_a_stream, lengths
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


def test_the_real_stream_is_planned_within_the_limit() -> None:
    assert 2.588 < planned(PAPER) < LIMIT_GB
    assert planned(PAPER) == planned(replace(PAPER, levels=(1.0,)))


def test_a_stream_takes_what_is_planned() -> None:
    assert bytes_of_a_stream()["counted_to_planned_stream_bytes"] == pytest.approx(1, abs=0.03)
