"""What a teacher in eight bits takes of the direction it gives, on the shipped toy networks, and what time it saves."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.common import side_by_side
from benchmarks.streaming import Scene, network_of
from reward_forcing.composition.places import shipped
from reward_forcing.engine.quantised import EXACT, LINEARS, write_in_place
from reward_forcing.flow import add_noise
from reward_forcing.losses.score_gap import compared, guided_velocity
from reward_forcing.modules.distillation import ScoreSettings
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import load
from reward_forcing.streaming import Streamer

CPU: Final = torch.device("cpu")
TEACHER: Final = "checkpoints/toy/teacher.safetensors"
SCORES: Final = ScoreSettings(guidance_scale=1.5, shift=3.0)
"""As in configs/module/distillation.yaml."""
BF16: Final = "bf16"
FRAMES: Final = 9
"""Of a clip whose pass is timed."""


def ways(network: WanTransformer) -> dict[str, WanTransformer]:
    """A network computed in every way, the exact one first; all of it in bf16, too, to compare with."""
    found = {name: copy.deepcopy(network).requires_grad_(requires_grad=False) for name in LINEARS}
    for name, made in found.items():
        write_in_place(made, name)
    return {**found, BF16: copy.deepcopy(network).bfloat16()}


@torch.no_grad()
def toy_teachers(student: Streamer, prompts: Sequence[str], *, draws: int = 8, rounds: int = 5) -> dict[str, Any]:
    """Each way to compute the toy teacher against the exact one, as the first step of a distillation asks it.

    Clips are the student's, noise and its levels the same for all, and the fake score is the exact teacher: the gap
    between the scores is what guidance adds, as small as it will be.

    Args:
        student: whose clips are judged.
        prompts: of them.
        draws: of noise and its levels.
        rounds: of times.
    """
    clean = torch.cat([*student.latents(prompts, range(len(prompts)), chunks=student.geometry.chunks)], 1).clone()
    words = {"prompt": student.text(prompts), "negative": student.text([""] * len(prompts))}
    ask: dict[str, Any] = {**words, "guidance_scale": SCORES.guidance_scale}
    noises = [SCORES.draw(clean, ("teachers", draw)) for draw in range(draws)]
    exact = load(str(shipped(TEACHER)))
    networks = ways(exact)

    def velocity(network: WanTransformer, noise: Tensor, sigma: Tensor) -> Tensor:
        return guided_velocity(network, add_noise(clean, noise, sigma), sigma, **ask)

    def gap(network: WanTransformer, noise: Tensor, sigma: Tensor) -> Tensor:
        return compared(clean, noise, sigma, teacher=network, fake_score=exact, **ask).gap

    told = timed({name: partial(velocity, network, *noises[0]) for name, network in networks.items()}, rounds)
    for answer in (velocity, gap):
        found = {name: torch.stack([answer(one, *noise) for noise in noises]) for name, one in networks.items()}
        for name, row in told.items():
            row.update(apart(answer.__name__, found[name], found[EXACT]))
    return {name: {**row, "weights_bytes": weights(networks[name])} for name, row in told.items()}


@torch.no_grad()
def mini_teachers(scene: Scene, *, rounds: int) -> dict[str, Any]:
    """The times of a pass over one clip where arithmetic takes the time; random weights."""
    geometry, sigma = scene.geometry, torch.full((1, FRAMES), 0.5)
    noisy = torch.randn(1, FRAMES, geometry.channels, geometry.height, geometry.width)
    prompt = torch.randn(1, scene.words, scene.sizes.text_dim)
    networks = ways(network_of(scene.sizes, CPU, torch.float32))
    return timed({name: partial(one, noisy, sigma, prompt) for name, one in networks.items()}, rounds)


def timed(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of each, in turns, and against the exact one."""
    seconds = side_by_side(runs, CPU, rounds=rounds)
    return {
        name: {"exact": name == EXACT, "pass_seconds": taken, "times_as_fast": seconds[EXACT] / taken}
        for name, taken in seconds.items()
    }


def apart(name: str, found: Tensor, wanted: Tensor) -> dict[str, float]:
    """The root mean square of what is off against that of what is wanted, and the cosine of the angle between both."""
    cosine = torch.cosine_similarity(found.flatten().double(), wanted.flatten().double(), 0)
    return {f"{name}_error_share": float((found - wanted).norm() / wanted.norm()), f"{name}_cosine": float(cosine)}


def weights(network: WanTransformer) -> int:
    """Bytes."""
    return sum(tensor.nbytes for tensor in network.state_dict().values())
