"""The work a chunk must cost, whoever does it, and how much of it a machine could do: the ceiling of any stream."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.composition import configuration, places
from reward_forcing.plan.costs import Pass, Sizes, forward_flops, kv_bytes, seen_frames
from reward_forcing.rollout import Rollout
from reward_forcing.shapes import Geometry

MATRIX: Final = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of the matrices whose product gives a device's rate."""
SECONDS: Final = 0.3
"""For how long products are taken, each time."""


@dataclass(frozen=True)
class Work:
    """Operations of each chunk, two a multiply-add, and what is remembered in the end."""

    denoise: tuple[float, ...]
    """Denoising passes, and the context pass of the chunk before."""
    decode: tuple[float, ...]
    memory: int
    """Bytes of the remembered keys and values when the window is full, or at the end."""

    def of(self, scope: str, ramp: int) -> float:
        """Operations of all chunks from `ramp` on that are inside a scope."""
        skip = ramp if ramp < len(self.denoise) else 0
        return sum(self.denoise[skip:]) + (0.0 if scope == "denoiser" else sum(self.decode[skip:]))


@dataclass(frozen=True)
class Ceiling:
    """The rate of large matrix products, and the one the maker publishes; operations a second."""

    measured: float
    how: str
    published: float | None = None


def work_of(
    sizes: Sizes,
    geometry: Geometry,
    rollout: Rollout,
    *,
    chunks: int,
    words: int,
    width: int,
    decode: tuple[float, float],
) -> Work:
    """The work of a stream of one video.

    Args:
        sizes: of the student.
        geometry: of its chunks.
        rollout: how it generates.
        chunks: how many.
        words: tokens of the prompt.
        width: bytes of a number of the student.
        decode: operations of decoding the first chunk, and each other.
    """
    window = rollout.memory.window_frames

    def once(chunk: int) -> int:
        keys = seen_frames(geometry, window, chunk)
        tokens = geometry.tokens_per_frame
        return forward_flops(sizes, Pass(frames=geometry.chunk_frames, keys=keys, tokens=tokens, words=words))

    steps = len(rollout.levels)
    denoise = [steps * once(chunk) + (once(chunk - 1) if chunk else 0) for chunk in range(chunks)]
    return Work(
        denoise=tuple(map(float, denoise)),
        decode=(decode[0], *[decode[1]] * (chunks - 1)),
        memory=_remembered(sizes, geometry, rollout, chunks=chunks, width=width),
    )


def _remembered(sizes: Sizes, geometry: Geometry, rollout: Rollout, *, chunks: int, width: int) -> int:
    """Bytes of the sink, in its own precision, and of the recent frames when the last chunk is generated."""
    sink, window, chunk = rollout.memory.sink, rollout.memory.window_frames, geometry.chunk_frames
    before = (chunks - 1) * chunk
    kept = min(sink.frames, before)
    recent = (before if window is None else min(before, window - chunk)) - kept
    sink_width = torch.empty(0, dtype=sink.dtype).element_size() if sink.dtype else width
    parts = ((kept, sink_width), (recent, width))
    return sum(kv_bytes(sizes, frames=n, tokens=geometry.tokens_per_frame, width=size) for n, size in parts)


@torch.inference_mode()
def decoding_flops(codec: LatentCodec, geometry: Geometry, device: torch.device) -> tuple[float, float]:
    """Operations of decoding the first chunk and each other, as torch counts them."""
    clean = torch.zeros(1, *geometry.chunk_shape, device=device)
    counted, past = [], None
    for _ in range(2):
        with FlopCounterMode(display=False) as counter:
            _, past = codec.decode_next(clean, past)
        counted.append(float(counter.get_total_flops()))
    return counted[0], counted[1]


def ceiling_of(device: str, dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> Ceiling:
    """Measure the ceiling of a device, and look up what its maker says."""
    kind = "cuda" if device.startswith("cuda") else "cpu"
    size = MATRIX[kind]
    rate = matmul_rate(device, dtype, size, clock)
    name = torch.cuda.get_device_name(device) if kind == "cuda" else ""
    how = f"products of {size} x {size} matrices, {str(dtype).removeprefix('torch.')}, in the same run"
    return Ceiling(rate, how, published_rate(name) if dtype == torch.bfloat16 else None)


def matmul_rate(
    device: str, dtype: torch.dtype, size: int, clock: Callable[[], float], seconds: float = SECONDS
) -> float:
    """Operations a second of matrix products, the median over the time they are taken."""
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    wait: Any = torch.cuda.synchronize if device.startswith("cuda") else int
    (one @ other, wait())
    taken: list[float] = []
    began = clock()
    while not taken or clock() - began < seconds:
        start = clock()
        torch.mm(one, other)
        wait()
        taken.append(clock() - start)
    return 2 * size**3 / statistics.median(taken)


def published_rate(name: str) -> float | None:
    """The peak of a GPU in bf16, of those that can be planned for; None for others."""
    known = [option for option in places.options("hardware") if option not in ("auto", "cpu")]
    found = next((option for option in known if option.upper() in name.upper()), None)
    return None if found is None else float(configuration.compose([f"hardware={found}"]).hardware.tflops) * 1e12
