"""Ratios of times that should be near one, and of memory that should not grow, on small networks; seconds on a CPU."""

from functools import partial
from typing import Any

import torch

from benchmarks.common import percentile, side_by_side
from benchmarks.streaming import LIMIT_GB, PAPER, Scene, foreseen, network_of, planned, stream
from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.plan.costs import Sizes
from reward_forcing.shapes import Geometry

CPU = torch.device("cpu")
GEOMETRY = Geometry(channels=4, height=16, width=16, frames=21, chunk_frames=3)
SCENE = Scene(
    sizes=Sizes(channels=4, dim=96, ffn_dim=256, heads=4, layers=4, text_dim=16, freq_dim=32),
    geometry=GEOMETRY,
    words=16,
    dtype=torch.float32,
)
NARROW = Scene(
    sizes=Sizes(channels=1, dim=96, ffn_dim=192, heads=2, layers=6, text_dim=16, freq_dim=32),
    geometry=Geometry(channels=1, height=16, width=16, frames=21, chunk_frames=3),
    words=4,
    levels=(1.0, 0.5),
)
"""In bf16 with its sink in fp32, and with one channel, so that latents hardly count beside tokens."""


def ratios(rounds: int = 5, chunks: int = 28) -> dict[str, Any]:
    """All of them, and the planned memory of the real stream with its limit."""
    plan = {"planned_streaming_gb": planned(PAPER), "limit_streaming_gb": LIMIT_GB}
    return {**lengths(chunks), **bytes_of_a_stream(), **sinks(rounds), **decoding(rounds), **plan}


def lengths(chunks: int) -> dict[str, float]:
    """A stream's late chunks against its early ones, once the window is full: time and memory."""
    measured = stream(SCENE, network_of(SCENE.sizes, CPU, SCENE.dtype), chunks)
    steady, held = measured["seconds"][4:], measured["bytes"][4:]
    half = len(steady) // 2
    return {
        "late_to_early_chunk_seconds": percentile(steady[half:], 0.5) / percentile(steady[:half], 0.5),
        "late_to_early_chunk_bytes": max(held[half:]) / max(held[:half]),
    }


def bytes_of_a_stream(chunks: int = 8) -> dict[str, float]:
    """What a stream takes at most, counted tensor by tensor, against its plan."""
    counted = stream(NARROW, network_of(NARROW.sizes, CPU, NARROW.dtype), chunks)["bytes"]
    return {"counted_to_planned_stream_bytes": max(counted) / foreseen(NARROW).peak}


def sinks(rounds: int) -> dict[str, float]:
    """Remembering a chunk and reading what is remembered: with an averaging sink against without one."""
    chunk = KV(*(torch.randn(4, 1, 3, 64, 4, 24) for _ in range(2)))
    policies = {
        "ema": MemoryPolicy(sink=EMASink(frames=3, decay=0.99), window_frames=9, chunk_frames=3),
        "none": MemoryPolicy(sink=NoSink(), window_frames=9, chunk_frames=3),
    }
    taken = side_by_side(
        {name: partial(remember, policy, chunk) for name, policy in policies.items()}, CPU, rounds=rounds
    )
    return {"ema_sink_to_no_sink_seconds": taken["ema"] / taken["none"]}


def remember(policy: MemoryPolicy, chunk: KV, times: int = 10) -> KV:
    """Append a chunk some times; what is then read."""
    memory = policy.start(chunk)
    for _ in range(times):
        memory = policy.append(memory, chunk)
    return policy.read(memory)


@torch.inference_mode()
def decoding(rounds: int) -> dict[str, float]:
    """Decoding chunk by chunk against decoding at once."""
    codec = TinyCodec(channels=4, widths=(16, 16, 8, 8)).eval()
    clip = torch.randn(1, 9, 4, 8, 8)
    taken = side_by_side(
        {"whole": partial(codec.decode, clip), "streamed": partial(decode_streamed, codec, clip)}, CPU, rounds=rounds
    )
    return {"streamed_to_whole_decoding_seconds": taken["streamed"] / taken["whole"]}


def decode_streamed(codec: LatentCodec, clip: torch.Tensor) -> None:
    """Decode in chunks of 3."""
    past: Any = None
    for chunk in clip.split(3, 1):
        _, past = codec.decode_next(chunk, past)
