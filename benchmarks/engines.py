"""The fast engine against the reference: the same videos in turns, chunk by chunk, in one process."""

import copy
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.common import clock
from benchmarks.distillation import FAKE_SCORE_STEPS, distil
from benchmarks.stages import stages
from benchmarks.streaming import Scene, needed, network_of, rollout_of, stream
from evaluation.speed.work import MATRIX, matmul_rate
from reward_forcing.engine.attention import tried
from reward_forcing.engine.fast import Fast, shape_of
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.plan.costs import Sizes
from reward_forcing.rollout import always
from reward_forcing.seeding import VideoNoise
from reward_forcing.shapes import Geometry

CPU: Final = torch.device("cpu")
TOY: Final = Scene(
    sizes=Sizes(channels=6, dim=96, ffn_dim=384, heads=6, layers=4, text_dim=18, freq_dim=64, places=16),
    geometry=Geometry(channels=6, height=8, width=8, frames=21, chunk_frames=3),
    words=8,
    dtype=torch.float32,
)
"""As configs/networks/toy.yaml."""
MINI: Final = Scene(
    sizes=Sizes(channels=16, dim=384, ffn_dim=1536, heads=6, layers=8, text_dim=512),
    geometry=Geometry(channels=16, height=24, width=40, frames=21, chunk_frames=3),
    dtype=torch.float32,
)
"""Small enough for a CPU, large enough that arithmetic, not overhead, takes the time."""
RATE_SECONDS: Final = 0.05
"""For how long products are taken after every round."""
PROFILED: Final = 8
"""Chunks at most whose stages are told apart."""


@dataclass(frozen=True)
class Contestant:
    """A way to stream.

    Args:
        engine: what runs the passes.
        dtype: of parameters and passes.
    """

    engine: Engine
    dtype: torch.dtype = torch.float32


@torch.inference_mode()
def contest(
    scene: Scene, contestants: Mapping[str, Contestant], *, chunks: int, device: torch.device = CPU
) -> dict[str, dict[str, Any]]:
    """What each contestant takes for a chunk once the window is full, against the first, and against the machine.

    After every round the rate of large matrix products is measured, too, in the precision of each contestant.
    """
    streams, full = streams_of(scene, contestants, device), scene.window // scene.geometry.chunk_frames + 1
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    rates: dict[torch.dtype, list[float]] = {one.dtype: [] for one in contestants.values()}
    made: dict[str, Tensor] = {}
    for _ in range(full + chunks):
        for name, running in streams.items():
            started = clock(device)
            made[name] = next(running)
            taken[name].append(clock(device) - started)
        for dtype, found in rates.items():
            found.append(rate(dtype, device))
    first, *_ = contestants
    return {
        name: {
            "exact": one.dtype == contestants[first].dtype and not one.engine.approximations,
            **against(taken[name][full:], taken[first][full:]),
            "first_chunk_seconds": taken[name][0],
            "off_by": float((made[name] - made[first]).abs().max() / made[first].abs().max()),
            **share(needed(scene), statistics.median(taken[name][full:]), max(rates[one.dtype])),
            "stages": stages(streams[name], min(max(1, chunks // 2), PROFILED), device),
            "seconds_by_chunk": taken[name],
        }
        for name, one in contestants.items()
    }


def against(own: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """The median of some seconds, and of how many times as long the others took, round by round."""
    ratios = [other / mine for mine, other in zip(own, others, strict=True)]
    return {"chunk_seconds": statistics.median(own), "times_as_fast": statistics.median(ratios)}


def share(operations: int, seconds: float, best: float) -> dict[str, float]:
    """What part of a rate some work reaches."""
    return {"chunk_gflop": operations / 1e9, "matmul_gflops": best / 1e9, "of_matmul_rate": operations / seconds / best}


def streams_of(
    scene: Scene, contestants: Mapping[str, Contestant], device: torch.device = CPU
) -> dict[str, Iterator[Tensor]]:
    """The same endless video by every contestant, from the same weights."""
    network = network_of(scene.sizes, device, torch.float32).requires_grad_(requires_grad=False)
    prompt = torch.randn(1, scene.words, scene.sizes.text_dim, device=device)
    noise = VideoNoise(keys=((0,),), chunk_shape=scene.geometry.chunk_shape, device=device)
    return {
        name: rollout_of(scene, one.engine).stream(
            network if one.dtype == torch.float32 else copy.deepcopy(network).to(one.dtype),
            noise,
            always(prompt.to(one.dtype)),
            chunks=range(1_000_000),
        )
        for name, one in contestants.items()
    }


def rate(dtype: torch.dtype, device: torch.device = CPU) -> float:
    """Operations a second of large matrix products."""
    return matmul_rate(str(device), dtype, MATRIX[device.type], partial(clock, device), seconds=RATE_SECONDS)


def slopes(scene: Scene, engine: Engine, chunks: int = 16) -> dict[str, int]:
    """How much more a late chunk takes than an early one, once the window is full: in operations and in bytes."""
    network = network_of(scene.sizes, CPU, scene.dtype).requires_grad_(requires_grad=False)
    counted = stream(scene, network, chunks, engine)
    full = scene.window // scene.geometry.chunk_frames + 1
    return {
        "operations_of_a_chunk": counted["operations"][-1],
        "operations_more_than_early": counted["operations"][-1] - counted["operations"][full],
        "bytes_more_than_early": counted["bytes"][-1] - counted["bytes"][full],
    }


def distillation(rounds: int, samples: int = 2) -> dict[str, Any]:
    """A round of steps of the toy distillation (one of the student, the others of the fake score) by each engine.

    Only passes without gradients differ. The rounds of both engines take turns.
    """
    told: dict[str, list[dict[str, float]]] = {"reference": [], "fast": []}
    for _ in range(rounds):
        for name, engine in (("reference", Reference()), ("fast", Fast())):
            how: dict[str, Any] = {"steps": 2 * (1 + FAKE_SCORE_STEPS), "samples": samples, "precision": "32-true"}
            told[name].append(distil(TOY, CPU, engine=engine, **how))
    steps = {
        name: {turn: min(one[f"{turn}_step_seconds"] for one in found) for turn in ("student", "fake_score")}
        for name, found in told.items()
    }
    whole = {name: one["student"] + FAKE_SCORE_STEPS * one["fake_score"] for name, one in steps.items()}
    return {
        **{f"{name}_{turn}_step_seconds": one[turn] for name, one in steps.items() for turn in one},
        "times_as_fast": whole["reference"] / whole["fast"],
        "samples": samples,
        "fake_score_steps": FAKE_SCORE_STEPS,
    }


def has_bf16_units() -> bool:
    """Whether this CPU multiplies bf16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def engines(toy_chunks: int = 40, mini_chunks: int = 3, rounds: int = 3) -> dict[str, Any]:
    """Both sizes, the larger one also in bf16 where that is fast."""
    exact = {"reference": Contestant(Reference()), "fast": Contestant(Fast())}
    units = has_bf16_units()
    half = {"fast_bf16": Contestant(Fast(), torch.bfloat16)} if units else {}
    return {
        "clock": "seconds that one thread computed",
        "bf16_units": units,
        "toy": contest(TOY, exact, chunks=toy_chunks),
        "toy_slopes": slopes(TOY, Fast()),
        "toy_distillation": distillation(rounds),
        "wan_mini": contest(MINI, {**exact, **half}, chunks=mini_chunks),
        "attention": {str(dtype): _trial(dtype) for dtype in (torch.float32, *([torch.bfloat16] if units else []))},
    }


def _trial(dtype: torch.dtype) -> dict[str, Any]:
    """What trying the ways to compute attention came to, in the larger size."""
    network, policy = network_of(MINI.sizes, CPU, dtype), rollout_of(MINI).memory
    trial = tried(shape_of(network, policy, MINI.geometry.chunk_shape))
    return {"chosen": trial.chosen, "seconds": dict(trial.seconds), "out": dict(trial.out)}
