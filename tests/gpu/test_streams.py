"""Streams on any device: the shipped student's pixels are those of a CPU, and memory does not grow."""

from dataclasses import replace

import pytest
import torch

from benchmarks.small import SCENE
from benchmarks.streaming import network_of, stream
from evaluation.speed.harness import on_host
from reward_forcing.composition.places import shipped
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.streaming import Equipment, load_streamer

STUDENT = "checkpoints/toy/initial_student.safetensors"
PROMPTS, CHUNKS = ("red circle fast pan-slow", "blue cross slow plain"), 5
ENGINES: dict[str, Engine] = {"reference": Reference(), "fast": Fast()}
FULL = SCENE.window // SCENE.geometry.chunk_frames + 1


def levels(device: torch.device, engine: Engine) -> torch.Tensor:
    """Two videos as a client gets them, 0 to 255."""
    streamer = load_streamer(shipped(STUDENT), equipment=Equipment(device=str(device)))
    streamer = replace(streamer, rollout=replace(streamer.rollout, engine=engine))
    videos = streamer.stream(PROMPTS, (0, 1), chunks=CHUNKS)
    return torch.cat([on_host(chunk, "the student") for chunk in videos], 1).int()


def test_the_fast_engine_gives_the_pixels_of_the_reference_on_a_cpu(device: torch.device) -> None:
    apart = (levels(device, Fast()) - levels(torch.device("cpu"), Reference())).abs()
    assert apart.float().mean() < 0.05, "convolutions of a GPU may round as TF32 does"
    assert apart.max() <= 16


@pytest.mark.parametrize("name", ENGINES)
def test_memory_of_a_stream_is_constant_in_its_length(device: torch.device, name: str) -> None:
    network = network_of(SCENE.sizes, device, SCENE.dtype).requires_grad_(requires_grad=False)
    told = stream(SCENE, network, FULL + 3, ENGINES[name])
    assert len(set(told["bytes"][FULL:])) == 1
