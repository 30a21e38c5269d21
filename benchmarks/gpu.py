"""What is measured on a GPU, at the sizes of the published networks with random weights; other sizes run anywhere."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from benchmarks.common import Part, let_go
from benchmarks.distillation import FAKE_SCORE_STEPS, RandomText, distil
from benchmarks.engines import Contestant, contest, streams_of
from benchmarks.streaming import VIDEO_FRAMES, Scene, needed, network_of, rollout_of, stream, summary
from evaluation.speed.cells import student_cell
from evaluation.speed.clocks import Watch, clock_of
from evaluation.speed.figures import stages
from evaluation.speed.gauges import gauge_of, power_of
from evaluation.speed.harness import Instruments, measure
from evaluation.speed.runs import DENOISE, Speed
from evaluation.speed.work import ceiling_of
from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.codecs.wan_vae import WanCodec
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.streaming import Streamer

Codecs: TypeAlias = Mapping[str, Callable[[torch.dtype], LatentCodec]]

ENGINES: Final[Mapping[str, Engine]] = {"reference": Reference(), "fast": Fast()}
COMPILED: Final[Mapping[str, Engine]] = {"fast, compiled": Fast(compile="reduce-overhead")}
APPROXIMATE: Final[Mapping[str, Engine]] = {
    "no context pass": Fast(context_pass=False),
    "last pass without blocks": Fast(reuse=0.7),
    "layers in eight bits": Fast(linears="float8"),
}
PROMPT: Final = "a fox runs through snow"
PLAYBACK: Final = 16.0
"""Frames a second of Wan's videos."""
MARGIN: Final = 1.0
"""Decibels by which the fast engine may be farther from fp32 than the reference is in the same precision."""


def wan_codec(dtype: torch.dtype) -> WanCodec:
    """Wan2.1's autoencoder with random weights."""
    from diffusers import AutoencoderKLWan

    vae: Any = AutoencoderKLWan().to(dtype)
    return WanCodec(vae)


def tiny_codec(dtype: torch.dtype) -> TinyCodec:
    """The tiny autoencoder with random weights."""
    return TinyCodec().to(dtype)


CODECS: Final[Codecs] = {"Wan VAE": wan_codec, "tiny VAE": tiny_codec}


def parts(scene: Scene, device: torch.device, codecs: Codecs) -> dict[str, Part]:
    """All of it, right before fast.

    Args:
        scene: what is streamed and distilled.
        device: where.
        codecs: with random weights, by name.
    """
    fast = {"fast": ENGINES["fast"]}
    measured: dict[str, tuple[Callable[..., Mapping[str, Any]], dict[str, Any]]] = {
        "gpu_agreement": (agreement, {"chunks": 2}),
        "gpu_engines": (partial(beside, engines=ENGINES), {"chunks": 2}),
        "gpu_end_to_end": (partial(end_to_end, codecs=codecs, engines=ENGINES), {"chunks": 5, "repeats": 1}),
        "gpu_memory": (memory, {"chunks": 6}),
        "gpu_distillation": (distillation, {"rounds": 1}),
        "gpu_compiled": (partial(beside, engines={**fast, **COMPILED}), {"chunks": 2}),
        "gpu_compiled_end_to_end": (partial(end_to_end, codecs=codecs, engines=COMPILED), {"chunks": 5, "repeats": 1}),
        "gpu_approximations": (partial(beside, engines={**fast, **APPROXIMATE}), {"chunks": 1}),
    }
    return {name: Part(partial(run, scene, device), short) for name, (run, short) in measured.items()}


@torch.inference_mode()
def agreement(scene: Scene, device: torch.device, *, chunks: int = 4) -> dict[str, Any]:
    """How far apart the same videos are by both engines in the scene's precision, and from the reference in fp32."""
    contestants = {name: Contestant(engine, scene.dtype) for name, engine in ENGINES.items()}
    streams = streams_of(scene, {"fp32": Contestant(Reference()), **contestants}, device)
    made = [{name: next(running).float() for name, running in streams.items()} for _ in range(chunks)]
    pairs = (("reference", "fp32"), ("fast", "fp32"), ("fast", "reference"))
    apart = {f"{one} to {other}": differences([(c[one], c[other]) for c in made]) for one, other in pairs}
    ours, theirs = (apart[f"{name} to fp32"]["first_chunk_db"] for name in ("fast", "reference"))
    return {"fast_is_as_near_to_fp32": ours >= theirs - MARGIN, "margin_db": MARGIN, "distances": apart}


def differences(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Largest difference relative to the largest value, and signal to noise, of the first and last of some pairs."""
    return {
        f"{which}_chunk_{name}": how(*pairs[index])
        for which, index in (("first", 0), ("last", -1))
        for name, how in (("off_by", off_by), ("db", decibels))
    }


def off_by(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def decibels(one: Tensor, other: Tensor) -> float:
    """Signal to noise of one, if the other is right; infinite where they are the same."""
    return float(10 * torch.log10(other.square().mean() / (one - other).square().mean()))


def beside(scene: Scene, device: torch.device, *, engines: Mapping[str, Engine], chunks: int = 30) -> dict[str, Any]:
    """Engines in turns, denoiser only: against the first; stages of a chunk by kernel; how attention is computed.

    What becomes of pictures under an approximation is not told: random weights make none.
    """
    network, policy = frozen(scene, device), rollout_of(scene).memory
    kernels = {name: engine.kernel(network, policy, scene.geometry.chunk_shape) for name, engine in engines.items()}
    contestants = {name: Contestant(engine, scene.dtype) for name, engine in engines.items()}
    told = contest(scene, contestants, chunks=chunks, device=device)
    frames = VIDEO_FRAMES * scene.geometry.chunk_frames
    rows = {name: {"denoiser_fps": frames / row["chunk_seconds"], **row} for name, row in told.items()}
    return {"attention": kernels, "student": rows}


def frozen(scene: Scene, device: torch.device) -> WanTransformer:
    """The student, not to be trained."""
    return network_of(scene.sizes, device, scene.dtype).requires_grad_(requires_grad=False).eval()


def memory(scene: Scene, device: torch.device, *, chunks: int = 12) -> dict[str, Any]:
    """What each engine's stream takes beyond weights, and whether it grows."""
    network = frozen(scene, device)
    told = {name: summary(scene, stream(scene, network, chunks, engine)) for name, engine in ENGINES.items()}
    return {"streams": {name: {k: v for k, v in row.items() if k.startswith("memory")} for name, row in told.items()}}


def end_to_end(
    scene: Scene,
    device: torch.device,
    *,
    codecs: Codecs,
    engines: Mapping[str, Engine],
    chunks: int = 21,
    repeats: int = 2,
) -> dict[str, Any]:
    """Whole streams, from the prompt to levels 0 to 255 on the host, by the rule of `reward-forcing benchmark`."""
    watch, network, where = Watch(clock_of(str(device))), frozen(scene, device), str(device)
    made = {name: make(scene.dtype).to(device) for name, make in codecs.items()}
    cells = [
        student_cell(
            f"{engine}, {codec}",
            streamer(scene, network, how, made[codec]),
            watch,
            prompt=PROMPT,
            chunks=chunks,
            analyse=False,
        )
        for engine, how in engines.items()
        for codec in made
    ]
    with torch.inference_mode():
        speeds = measure(
            cells, playback=PLAYBACK, repeats=repeats, read=Instruments(watch, gauge_of(where), power_of(where))
        )
    best = ceiling_of(where, scene.dtype)
    return {
        "ceiling_tflops": best.measured / 1e12,
        "streams": {s.cell: figures(s, scene, best.measured) for s in speeds},
    }


def streamer(scene: Scene, network: WanTransformer, engine: Engine, codec: LatentCodec) -> Streamer:
    """A student of random weights with all that it needs to make videos."""
    words = RandomText(torch.randn(1, scene.words, scene.sizes.text_dim, dtype=scene.dtype))
    how = rollout_of(scene, engine)
    return Streamer(network=network, codec=codec, text=words, rollout=how, geometry=scene.geometry, name="ema")


def figures(speed: Speed, scene: Scene, best: float) -> dict[str, Any]:
    """Frames a second by what is counted, time to the first frame, memory, share of a rate, seconds of each stage."""
    spent = stages(speed)
    fps = {f"{scope}_fps": speed.within(scope).fps for scope in speed.scopes}
    peak = max(speed.peak(kind) for kind in speed.runs[0].memory if kind != "reserved")
    return {
        **fps,
        "first_frame_seconds": speed.first_frame,
        "first_frame_cold_seconds": speed.cold.first,
        "chunk_p50_seconds": speed.percentile(50),
        "chunk_p95_seconds": speed.percentile(95),
        "of_matmul_rate": needed(scene) / spent[DENOISE] / best,
        "memory_beyond_bytes": max(0, peak - min(run.before for run in speed.runs)),
        "seconds": spent,
    }


def distillation(scene: Scene, device: torch.device, *, rounds: int = 2) -> dict[str, Any]:
    """Seconds and memory of a student's and a fake score's step, by the engine of the rollouts."""
    steps, told = rounds * FAKE_SCORE_STEPS, {}
    for name, engine in ENGINES.items():
        told[name] = distil(scene, device, steps=steps, engine=engine)
        let_go(device)
    return {"steps": told}
