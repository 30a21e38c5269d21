"""Every engine under configs/engine streams what the reference streams, under every sink under configs/sink."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.rollout import Rollout, generate
from reward_forcing.seeding import VideoNoise
from reward_forcing.switching import SWITCHES
from tests import tiny

ENGINES = sorted(set(options("engine")) - {"reference"})
EMA = EMASink(frames=3, decay=0.6)


@cache
def engine(name: str) -> Engine:
    built = build(compose([f"engine={name}"], name="stream"), "engine")
    assert isinstance(built, Engine)
    return built


@torch.no_grad()
def streamed(
    by: Engine, sink: SinkStrategy, batch: int = 1, chunks: int = 7, switch_at: int = 99, **more: Any
) -> Tensor:
    """A video of chunks of three frames; its prompt is another one from a chunk on."""
    window, beginning = more.pop("window", 9), more.pop("start_frames", 0)
    how = Rollout(
        levels=more.pop("levels", (1.0, 0.8, 0.5)),
        memory=MemoryPolicy(sink=sink, window_frames=window, chunk_frames=3),
        engine=by,
    )
    noise = VideoNoise(tuple(("video", video) for video in range(batch)), (3, 2, 4, 4))
    first, later = tiny.prompts(batch), tiny.prompts(batch, 1)
    stream = how.stream(
        more.pop("student", tiny.network()),
        noise,
        lambda chunk: first if chunk < switch_at else later,
        chunks=range(chunks),
        start=tiny.latents(batch, beginning) if beginning else None,
        **more,
    )
    return generate(stream)


def assert_same(name: str, sink: SinkStrategy, **how: Any) -> None:
    """Nothing but rounding apart, in a network whose outputs are far from zero."""
    wanted = streamed(Reference(), sink, **how)
    assert wanted.abs().mean() > 0.1
    assert_close(streamed(engine(name), sink, **how), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sink", sorted(options("sink")))
@pytest.mark.parametrize("name", ENGINES)
def test_under_every_sink(name: str, sink: str) -> None:
    built = build(compose([f"sink={sink}"], name="stream"), "sink")
    assert isinstance(built, SinkStrategy)
    assert_same(name, built, batch=2, start_frames=4)


@pytest.mark.parametrize("switch", sorted(SWITCHES))
@pytest.mark.parametrize("name", ENGINES)
def test_under_a_new_prompt(name: str, switch: str) -> None:
    for at in (1, 5):
        assert_same(name, EMA, switch_at=at, on_switch=switch)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "how",
    [
        {"chunks": 1},
        {"chunks": 2, "batch": 3},
        {"window": None},
        {"window": 6},
        {"window": 10},
        {"levels": (1.0,)},
        {"exit_at": 1},
        {"start_frames": 11, "chunks": 3},
        {"chunks": 24},
    ],
    ids=str,
)
def test_in_all_sorts_of_videos(name: str, how: dict[str, Any]) -> None:
    assert_same(name, EMA, **how)
