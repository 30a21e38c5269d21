"""Tensors computed by reference implementations: every file of a folder, by the kind its metadata names.

`pytest tests/parity --goldens DIR`; without the option there is nothing to compare with.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from reward_forcing import flow
from reward_forcing.flow import level_of
from reward_forcing.losses.score_gap import compared
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.networks import layouts
from reward_forcing.networks.sources import inspect
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import load_strictly
from reward_forcing.rollout import Rollout, always
from tests.tiny import judged, stacked

TOLERANCE = 2e-5


@dataclass(frozen=True)
class Golden:
    """One file: its tensors, and the metadata that say how they were made."""

    tensors: dict[str, Tensor]
    notes: dict[str, str]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @cached_property
    def sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = json.loads(self.notes["config"])
        return sizes

    def number(self, name: str) -> int:
        return int(self.notes[name])

    def starting_with(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): self[name] for name in self.tensors if name.startswith(prefix)}

    def network(self, prefix: str = "weights.") -> WanTransformer:
        sizes = self.sizes
        network = WanTransformer(
            channels=sizes["in_dim"],
            dim=sizes["dim"],
            ffn_dim=sizes["ffn_dim"],
            heads=sizes["num_heads"],
            layers=sizes["num_layers"],
            text_dim=sizes["text_dim"],
            freq_dim=sizes["freq_dim"],
        )
        load_strictly(network, self.starting_with(prefix), prefix)
        return network

    def prompts(self, prefix: str = "context_") -> Tensor:
        """The contexts of all samples, in order, zero-padded."""
        contexts = dict(sorted(self.starting_with(prefix).items(), key=lambda item: int(item[0] or 0)))
        padded = torch.zeros(len(contexts), self.sizes["text_len"], self.sizes["text_dim"])
        for row, context in zip(padded, contexts.values(), strict=True):
            row[: len(context)] = context
        return padded

    def latents(self, name: str) -> Tensor:
        """A tensor that lists channels before frames, in our layout."""
        return self[name].transpose(1, 2)


def close(actual: Tensor, expected: Tensor) -> None:
    assert_close(actual, expected, atol=TOLERANCE, rtol=0)


def bidirectional(golden: Golden) -> None:
    velocity = golden.network()(golden.latents("x"), golden["timestep"] / 1000, golden.prompts())
    close(velocity, golden.latents("velocity"))


def block_causal(golden: Golden) -> None:
    noisy, window = golden.latents("x"), golden.number("local_attention_frames")
    layout = layouts.block_causal(noisy.shape[1], golden.number("frames_per_chunk"), None if window < 0 else window)
    velocity = golden.network()(noisy, golden["timestep"] / 1000, golden.prompts(), layout=layout)
    close(velocity, golden.latents("velocity"))


def teacher_forcing(golden: Golden) -> None:
    noisy, sigma = golden.latents("x"), golden["timestep"] / 1000
    frames = noisy.shape[1]
    both = torch.cat([golden.latents("clean_x"), noisy], 1)
    levels = torch.cat([torch.zeros_like(sigma), sigma], 1)
    layout = layouts.teacher_forcing(frames, golden.number("frames_per_chunk"))
    close(golden.network()(both, levels, golden.prompts(), layout=layout)[:, frames:], golden.latents("velocity"))


def sink_of(golden: Golden) -> SinkStrategy:
    frames = golden.number("sink_frames")
    known: dict[str, Callable[[], SinkStrategy]] = {
        "ema": lambda: EMASink(frames=frames, decay=float(golden.notes["alpha"])),
        "static": lambda: StaticSink(frames=frames),
        "none": NoSink,
    }
    return known[golden.notes["sink"]]()


def streaming_rollout(golden: Golden) -> None:
    chunk, network, prompt = golden.number("frames_per_chunk"), golden.network(), golden.prompts()
    window = golden.number("window_frames")
    policy = MemoryPolicy(sink=sink_of(golden), window_frames=None if window < 0 else window, chunk_frames=chunk)
    rollout = Rollout(levels=tuple((golden["denoising_timesteps"] / 1000).tolist()), memory=policy)

    def noise(index: int, step: int) -> Tensor:
        return golden["renoise"][index, step - 1] if step else golden["noise"][:, index * chunk : (index + 1) * chunk]

    chunks = list(rollout.stream(network, noise, always(prompt), chunks=range(len(golden["renoise"]))))
    close(torch.cat(chunks, 1), golden["output"])
    memory, sinks = Remembered(policy), []
    for clean in chunks:
        network(clean, level_of(clean, 0.0), prompt, memory)
        sinks.append(stacked(layer.sink for layer in memory.layers.values()))
    for index, sink in enumerate([sinks[0], *sinks[:-1]]):  # the reference folds when the next chunk begins
        same_sink(golden, index, sink)


def same_sink(golden: Golden, chunk: int, sink: KV) -> None:
    for name, states in (("sink_k", sink.keys), ("sink_v", sink.values)):
        if name in golden.tensors:
            close(states.flatten(2, 3), golden[name][chunk])


def score_gap_loss(golden: Golden) -> None:
    clean = golden["clean"].clone().requires_grad_()
    scores = compared(
        clean,
        golden["noise"],
        golden["timestep"][:, None].expand(-1, clean.shape[1]) / 1000,
        prompt=golden.prompts(),
        negative=golden.prompts("negative").expand(len(clean), -1, -1),
        teacher=golden.network("teacher."),
        fake_score=golden.network("fake_score."),
        guidance_scale=float(golden.notes["guidance_scale_standard"]),
    )
    loss = ReDMD(beta=float(golden.notes["beta"]))(clean, scores, judged(golden["reward"]))
    loss.backward()
    assert clean.grad is not None
    largest = golden["gradient"].abs().max()
    close(clean.grad / largest, golden["gradient"] / largest)
    assert_close(loss, golden["loss"].reshape(()), atol=TOLERANCE, rtol=TOLERANCE)


def schedule(golden: Golden) -> None:
    tables = golden.starting_with("sigmas_shift")
    assert tables
    for factor, sigmas in tables.items():
        close(flow.schedule(len(sigmas), float(factor)), sigmas)
        close(flow.bell_weights(sigmas), golden[f"weights_shift{factor}"])


KINDS: dict[str, Callable[[Golden], None]] = {
    "bidirectional": bidirectional,
    "block_causal": block_causal,
    "teacher_forcing": teacher_forcing,
    "streaming_rollout": streaming_rollout,
    "score_gap": score_gap_loss,
    "schedule": schedule,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder: Path | None = metafunc.config.getoption("--goldens")
    if "file" in metafunc.fixturenames:
        files = sorted(folder.glob("**/*.safetensors")) if folder else []
        if folder and not files:
            raise pytest.UsageError(f"--goldens {folder}: there is no .safetensors file in this folder")
        metafunc.parametrize("file", files, ids=[path.stem for path in files])


def test_golden(file: Path) -> None:
    golden = Golden(load_file(file), dict(inspect(file).notes))
    kind = golden.notes.get("kind", "")
    assert kind in KINDS, f"{file} is of the kind {kind!r}; known kinds are {', '.join(KINDS)}"
    torch.manual_seed(0)
    KINDS[kind](golden)
