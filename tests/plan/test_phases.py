"""What a step needs for a while, and how much it computes."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reward_forcing import seeding
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.plan import phases
from reward_forcing.plan.costs import Sizes, kv_bytes
from reward_forcing.plan.networks import Network, networks_of
from reward_forcing.plan.situation import Situation, situation_of
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.shapes import Geometry
from tests import tiny

TINY = Geometry(channels=2, height=4, width=4, frames=4, chunk_frames=1)


def tiny_run(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "geometry": TINY, "ranks": 1, "sharded": False, "mixed": False, "batch": 1, "micro": 1, "levels": 2,
        "window": 3, "sink": 1, "sink_width": 4, "words": tiny.WORDS, "chunks": 4,
    }  # fmt: skip
    return Situation(**{**values, **changes})


def tiny_network(name: str = "student", **changes: Any) -> Network:
    sizes = Sizes(**tiny.SIZES)
    values: dict[str, Any] = {"sizes": sizes, "width": 4, "learning": sizes.parameters, "checkpointing": False}
    return Network(name=name, averaged=False, **{**values, **changes})


def recipe(name: str, *overrides: str) -> tuple[Situation, dict[str, Network]]:
    values = plain(compose([f"experiments={name}", *overrides]))
    return situation_of(values), networks_of(values)


def test_a_rollout_computes_what_torch_counts() -> None:
    """The mean over both exit steps, no gradients."""
    memory = MemoryPolicy(sink=EMASink(frames=1, decay=0.9), window_frames=3, chunk_frames=1)
    rollout, counted = Rollout(levels=[1.0, 0.5], memory=memory), []
    noise = seeding.VideoNoise(keys=((0,),), chunk_shape=TINY.chunk_shape, device=torch.device("cpu"))
    for exit_at in (0, 1):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            prompt = always(tiny.prompts())
            generate(rollout.stream(tiny.network(), noise, prompt, chunks=range(4), exit_at=exit_at))
        counted.append(counter.get_total_flops())
    assert phases.rollout_flops(tiny_run(), tiny_network(), gradients=False) == sum(counted) / 2


def test_gradients_and_checkpointing_cost_more() -> None:
    plainly, learning, recomputing = (
        phases.rollout_flops(tiny_run(), tiny_network(checkpointing=checkpointing), gradients=gradients)
        for gradients, checkpointing in ((False, False), (True, False), (True, True))
    )
    assert recomputing - learning == pytest.approx((learning - plainly) / 2)


def test_a_mean_step_mixes_the_turns() -> None:
    networks = {name: tiny_network(name) for name in ("student", "fake_score", "teacher")}
    alone, *mixed = (phases.distillation_flops(tiny_run(), networks, steps, judging=10.0) for steps in (0, 1, 4))
    other = 2 * mixed[0] - alone
    assert alone - phases.distillation_flops(tiny_run(), networks, 0, judging=0.0) == 10
    assert mixed[1] == pytest.approx((alone + 4 * other) / 5)


def test_a_long_rollout_keeps_no_more_gradients() -> None:
    """Once the window is full, chunks cost the same however far the video has come."""
    student = tiny_network(checkpointing=True)
    long, longer = (phases.kept_by_rollout(tiny_run(chunks=chunks), student) for chunks in (10, 20))
    assert long == longer
    assert phases.rollout_memory(tiny_run(chunks=20), student) == phases.rollout_memory(tiny_run(chunks=10), student)


def test_what_was_read_is_kept_under_checkpointing_only() -> None:
    """Windows of 3 with chunks of 1: the four chunks read 0, 1, 2 and 2 frames."""
    run, student = tiny_run(), tiny_network(checkpointing=True)
    tokens = 4 * 4 * 24 * 4 * 2  # chunks, tokens, width, bytes, layers
    read = kv_bytes(student.sizes, frames=5, tokens=4, width=4)
    assert phases.kept_by_rollout(run, student) == tokens + read


def test_half_the_blocks_keep_half_as_much() -> None:
    none, half, all_ = (phases.kept_by_rollout(tiny_run(), tiny_network(checkpointing=share)) for share in (0, 0.5, 1))
    assert all_ < half == (none + all_) / 2


def test_one_layer_is_read_at_a_time() -> None:
    """Two layers and a window of three with one new frame: two frames are remembered, and half of that is read."""
    held = phases.rollout_memory(tiny_run(), tiny_network())
    assert held == kv_bytes(tiny_network().sizes, frames=3, tokens=4, width=4)


def test_a_sink_in_fp32_beside_passes_in_bf16_counts_double() -> None:
    student = tiny_network()
    sizes = [phases.rollout_memory(tiny_run(mixed=True, sink_width=width), student) for width in (None, 4)]
    assert sizes[1] - sizes[0] == kv_bytes(student.sizes, frames=1, tokens=4, width=2)


def test_checkpointing_pays_at_real_scale() -> None:
    with_it = recipe("reward_forcing_1_3b")
    without = recipe("reward_forcing_1_3b", "module.student.checkpointing=false")
    sizes = [phases.kept_by_rollout(run, networks["student"]) / 1e9 for run, networks in (with_it, without)]
    assert sizes[0] < 17
    assert sizes[1] > 100


def test_phases_of_both_turns_grow_with_the_batch() -> None:
    run, networks = recipe("reward_forcing_1_3b")
    found = phases.distillation_phases(run, networks, decoding=7)
    assert found["student: reward"] == phases.kept_by_rollout(run, networks["student"]) + 7
    double = situation_of({**plain(compose(["experiments=reward_forcing_1_3b"])), "data": {"batch_size": 128}})
    more = phases.distillation_phases(double, networks, decoding=14)
    assert {name: size for name, size in more.items() if name != "update"} == pytest.approx(
        {name: 2 * size for name, size in found.items() if name != "update"}
    )


def test_an_update_is_divided_among_ranks() -> None:
    network = tiny_network()
    assert phases.update(tiny_run(), network) == 4 * network.learning
    assert phases.update(tiny_run(ranks=4, sharded=True), network) == network.learning
    assert phases.update(tiny_run(ranks=4), network) == 4 * network.learning
