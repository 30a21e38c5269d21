"""How fast a student streams, chunk by chunk, and how much memory it takes beyond its weights; random weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.common import LiveMemory, clock, percentile
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.networks.rotary import turns_of
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.plan.costs import Pass, Sizes, forward_flops
from reward_forcing.plan.networks import PUBLISHED
from reward_forcing.plan.streaming import Streaming
from reward_forcing.rollout import Rollout, always
from reward_forcing.seeding import VideoNoise
from reward_forcing.shapes import Geometry

WAN = Geometry(channels=16, height=60, width=104, frames=21, chunk_frames=3)
LIMIT_GB = 3.5
"""What a stream may take beyond weights and codec."""

VIDEO_FRAMES = 4
"""Of a latent frame."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is streamed.

    Args:
        sizes: of the student.
        geometry: of its chunks.
        window: frames attended at once.
        words: tokens of the prompt.
        levels: noise levels of the denoising steps.
        dtype: of parameters and passes.
    """

    sizes: Sizes
    geometry: Geometry
    window: int = 9
    words: int = 512
    levels: tuple[float, ...] = (1.0, 0.9375, 0.8333333333333334, 0.625)
    dtype: torch.dtype = torch.bfloat16


PAPER = Scene(sizes=PUBLISHED["1.3B"], geometry=WAN)


def network_of(sizes: Sizes, device: torch.device, dtype: torch.dtype, **more: Any) -> WanTransformer:
    """A network of given sizes with small random weights, made on the device."""
    with torch.device("meta"):
        network = WanTransformer(**asdict(sizes), **more)
    network = network.to_empty(device=device).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.02)
    return network


def rollout_of(scene: Scene, engine: Engine | None = None) -> Rollout:
    """With an averaging sink of one chunk, by the reference or another engine."""
    frames = scene.geometry.chunk_frames
    sink = EMASink(frames=frames, decay=0.99)
    memory = MemoryPolicy(sink=sink, window_frames=scene.window, chunk_frames=frames)
    return Rollout(levels=scene.levels, memory=memory, engine=engine or Reference())


def stream(scene: Scene, network: WanTransformer, chunks: int, engine: Engine | None = None) -> dict[str, Any]:
    """Stream one video and tell seconds, bytes and operations of every chunk, decoding not included.

    Rotations that networks keep are made and counted anew.
    """
    turns_of.cache_clear()
    device = next(network.parameters()).device
    noise = VideoNoise(keys=((0,),), chunk_shape=scene.geometry.chunk_shape, device=device)
    prompt = torch.randn(1, scene.words, scene.sizes.text_dim, device=device, dtype=scene.dtype)
    taken, peaks, operations = [], [], []
    with torch.inference_mode(), Peak(device) as peak:
        chunk_stream = rollout_of(scene, engine).stream(network, noise, always(prompt), chunks=range(chunks))
        for _ in range(chunks):
            started, before = clock(device), peak.live.operations
            next(chunk_stream)
            taken.append(clock(device) - started)
            peaks.append(peak.restart())
            operations.append(peak.live.operations - before)
    return {"seconds": taken, "bytes": peaks, "operations": operations}


class Peak:
    """The most bytes in use beyond those at the beginning: of the CUDA allocator, or of tensors on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.live = device, LiveMemory()
        self.before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0

    def __enter__(self) -> "Peak":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self.live.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.type != "cuda":
            self.live.__exit__(*error)  # type: ignore[no-untyped-call]

    def restart(self) -> int:
        """The peak since the last call."""
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) - self.before
            torch.cuda.reset_peak_memory_stats(self.device)
            return peak
        peak, self.live.peak = self.live.peak, self.live.now
        return peak


def foreseen(scene: Scene) -> Streaming:
    """The plan of a stream with an averaging sink of one chunk."""
    width = torch.empty(0, dtype=scene.dtype).element_size()
    sink = scene.geometry.chunk_frames
    return Streaming(sizes=scene.sizes, geometry=scene.geometry, window=scene.window, sink=sink, width=width)


def planned(scene: Scene) -> float:
    """GB beyond weights and codec that the plan foresees."""
    return foreseen(scene).peak / 1e9


def needed(scene: Scene) -> int:
    """Operations of a chunk when the window is full: denoising steps and context pass, the prompt's own work left out.

    That work, an embedding and every layer's keys and values of it, is the same for all passes of a video.
    """
    sizes, dim = scene.sizes, scene.sizes.dim
    text = 2 * scene.words * (sizes.layers * 2 * dim**2 + sizes.text_dim * dim + dim**2)
    return (len(scene.levels) + 1) * (forward_flops(sizes, pass_of(scene)) - text)


def pass_of(scene: Scene) -> Pass:
    """A pass over a chunk that sees a full window."""
    geometry = scene.geometry
    tokens, frames = geometry.tokens_per_frame, geometry.chunk_frames
    return Pass(frames=frames, keys=scene.window, tokens=tokens, words=scene.words)


def summary(scene: Scene, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Frames a second, latencies, rate and memory of a stream, from when its window is full."""
    full = scene.window // scene.geometry.chunk_frames + 1
    steady = measured["seconds"][full:]
    median = percentile(steady, 0.5)
    peak = max(measured["bytes"]) / 1e9
    return {
        "chunks": len(measured["seconds"]),
        "fps": VIDEO_FRAMES * scene.geometry.chunk_frames / median,
        "first_chunk_seconds": measured["seconds"][0],
        "chunk_seconds_p50": median,
        "chunk_seconds_p95": percentile(steady, 0.95),
        "late_to_early": percentile(steady[len(steady) // 2 :], 0.5) / percentile(steady[: len(steady) // 2], 0.5),
        "tflops": needed(scene) / median / 1e12,
        "memory_beyond_weights_gb": peak,
        "memory_planned_gb": planned(scene),
        "memory_grows_gb": (max(measured["bytes"][full:]) - measured["bytes"][full]) / 1e9,
        "memory_limit_gb": LIMIT_GB,
        "memory_within_limit": peak <= LIMIT_GB,
    }
