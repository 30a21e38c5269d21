"""The approximations of the fast engine stream under every sink and policy at a new prompt: near, not the same."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.memory.policy import SinkStrategy
from reward_forcing.switching import SWITCHES
from tests.properties.test_engines import EMA, streamed

APPROXIMATIONS = {
    "int8": Fast(linears="int8"),
    "float8": Fast(linears="float8"),
    "reuse": Fast(reuse=0.6),
    "no context pass": Fast(context_pass=False),
    "all": Fast(linears="int8", reuse=0.6, context_pass=False),
}


@cache
def exact(sink: SinkStrategy, switch: str) -> Tensor:
    return video(Reference(), sink, switch)


def video(by: Engine, sink: SinkStrategy, switch: str = "cross_only") -> Tensor:
    return streamed(by, sink, batch=2, start_frames=4, switch_at=3, chunks=6, on_switch=switch)


def assert_near(name: str, sink: Any, switch: str = "cross_only") -> None:
    """Not the same, not far off, and nothing that is no number."""
    assert not APPROXIMATIONS[name].exact
    wanted, found = exact(sink, switch), video(APPROXIMATIONS[name], sink, switch)
    assert found.isfinite().all()
    assert torch.equal(found[:, :4], wanted[:, :4])
    assert 1e-4 < (found - wanted).norm() / wanted.norm() < 1


@pytest.mark.parametrize("name", APPROXIMATIONS)
def test_each(name: str) -> None:
    assert_near(name, EMA)


@pytest.mark.parametrize("sink", sorted(options("sink")))
def test_all_under_every_sink(sink: str) -> None:
    built = build(compose([f"sink={sink}"], name="stream"), "sink")
    assert isinstance(built, SinkStrategy)
    assert_near("all", built)


@pytest.mark.parametrize("switch", sorted(SWITCHES))
def test_all_under_a_new_prompt(switch: str) -> None:
    assert_near("all", EMA, switch)
