"""The contest of engines on networks so small that it takes seconds; its numbers are for `make bench`."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engines import MINI, TOY, Contestant, against, contest, rate, share, slopes, streams_of
from benchmarks.small import SCENE
from benchmarks.stages import stages
from benchmarks.streaming import needed
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.plan.costs import Sizes

SMALL = replace(SCENE, levels=(1.0, 0.5))
ENGINES: dict[str, Engine] = {"reference": Reference(), "fast": Fast(attention="sdpa")}


def started(engine: Engine, chunks: int) -> Iterator[torch.Tensor]:
    """A stream from behind its first chunks on."""
    running = streams_of(SMALL, {"it": Contestant(engine)})["it"]
    for _ in range(chunks):
        next(running)
    return running


def work(running: Iterator[torch.Tensor]) -> int:
    """Operations of matrix products in the next chunk, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        next(running)
    return int(counter.get_total_flops())


@torch.inference_mode()
def test_the_work_of_the_reference_is_the_work_that_is_needed() -> None:
    """But for the prompt, which it works on anew in every pass."""
    assert work(started(Reference(), 5)) == pytest.approx(needed(SMALL), rel=0.06)


@torch.inference_mode()
def test_the_fast_engine_does_less() -> None:
    """Text once a prompt, and of the context pass's last layer only keys and values."""
    fast, plain = (work(started(engine, 5)) for engine in (ENGINES["fast"], ENGINES["reference"]))
    assert 0.5 < fast / plain < 0.95


def test_a_contest_tells_of_everybody() -> None:
    contestants = {**{name: Contestant(one) for name, one in ENGINES.items()}}
    contestants["half"] = Contestant(Fast(), torch.bfloat16)
    told = contest(SMALL, contestants, chunks=2)
    assert [*told] == ["reference", "fast", "half"]
    assert told["reference"]["times_as_fast"] == 1
    assert told["reference"]["off_by"] == 0
    assert {name: one["exact"] for name, one in told.items()} == {"reference": True, "fast": True, "half": False}
    assert len(told["fast"]["seconds_by_chunk"]) == 6
    assert 0 <= told["fast"]["off_by"] < 1e-4 < told["half"]["off_by"] < 0.2
    for one in told.values():
        assert one["of_matmul_rate"] == pytest.approx(one["chunk_gflop"] / one["chunk_seconds"] / one["matmul_gflops"])
        assert sum(one["stages"].values()) == pytest.approx(1, abs=0.01)


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the machine was slow for both counts no more than any other."""
    told = against([1.0, 10.0, 1.0], [2.0, 20.0, 3.0])
    assert told == {"chunk_seconds": 1.0, "times_as_fast": 2.0}


def test_a_share_is_work_over_time_over_rate() -> None:
    assert share(30_000_000_000, 2.0, 20e9) == {"chunk_gflop": 30, "matmul_gflops": 20, "of_matmul_rate": 0.75}


def test_a_rate_is_of_products() -> None:
    assert 1e8 < rate(torch.float32) < 1e14


@torch.inference_mode()
def test_stages_are_told_apart() -> None:
    shares = stages(started(Fast(), 4), 2)
    assert {"linear layers", "attention", "normalisation", "activation"} <= set(shares)
    assert [*shares.values()] == sorted(shares.values(), reverse=True)


@pytest.mark.parametrize("name", ENGINES)
def test_late_chunks_take_what_early_ones_take(name: str) -> None:
    """Counted in operations and bytes, not on a clock: the latency of a stream has no slope."""
    told = slopes(SMALL, ENGINES[name], 12)
    assert told["operations_more_than_early"] == told["bytes_more_than_early"] == 0
    assert told["operations_of_a_chunk"] > 100


def test_the_fast_engine_needs_fewer_operations() -> None:
    fast, plain = (slopes(SMALL, ENGINES[name], 6)["operations_of_a_chunk"] for name in ("fast", "reference"))
    assert fast < 0.6 * plain


def test_the_toy_student_is_the_one_of_the_configs() -> None:
    chosen = compose(["networks=toy"], name="train")
    node = {key: value for key, value in plain(chosen)["networks"].items() if not key.startswith("_")}
    assert Sizes(**node) == TOY.sizes
    assert plain(chosen)["geometry"]["height"] == TOY.geometry.height


def test_wan_mini_is_what_was_agreed() -> None:
    assert (MINI.sizes.dim, MINI.sizes.heads, MINI.sizes.ffn_dim, MINI.sizes.layers) == (384, 6, 1536, 8)
    assert (MINI.words, MINI.window, MINI.geometry.tokens_per_frame, len(MINI.levels)) == (512, 9, 240, 4)
