"""Ways to compute softmax attention, and a measured choice among them."""

import importlib.util
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from reward_forcing.engine.quantised import FLOAT8, written

Queries = Float[Tensor, "batch head query head_dim"]
Keys = Float[Tensor, "batch head key head_dim"]
Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

SDPA: Final = "sdpa"
"""What torch computes attention with; always there, and right."""
SCORES_BYTES: Final = 4_000_000
"""Of scores at a time: what caches close to a core hold."""
ROUNDS: Final = 5
"""Measurements of a kernel."""
TOLERANCE: Final = 0.02
"""How far a kernel may be from the reference in a trial, relative to the largest value: a few steps of bf16."""


def sdpa(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """What torch chooses; on a GPU one of its fused kernels."""
    return scaled_dot_product_attention(queries, keys, values)


def products(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """Two matrix products and a softmax, head by head, some queries at a time.

    On a CPU with units for bf16 the products use them, which the fused kernel does not.
    """
    batch, heads, count, head_dim = queries.shape
    attended = queries.new_empty(batch, count, heads, head_dim).transpose(1, 2)
    some = max(1, SCORES_BYTES // (keys.shape[2] * queries.itemsize))
    scaled = queries * head_dim**-0.5
    for video in range(batch):
        for head in range(heads):
            looked_at, taken = keys[video, head].t(), values[video, head]
            for start in range(0, count, some):
                scores = torch.mm(scaled[video, head, start : start + some], looked_at)
                attended[video, head, start : start + some] = torch.mm(torch.softmax(scores, -1), taken)
    return attended


def cudnn(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """As NVIDIA's library computes it, for GPUs from Ampere on."""
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return scaled_dot_product_attention(queries, keys, values)


def flash_attention_3(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """The package of that name, for Hopper GPUs; it need not be installed."""
    package = importlib.import_module("flash_attn_interface")
    found = package.flash_attn_func(*(states.transpose(1, 2) for states in (queries, keys, values)))
    attended: Tensor = found[0] if isinstance(found, tuple) else found
    return attended.transpose(1, 2)


def flash_attention_3_float8(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """The same package, with everything in eight bits, a scale for every head; an approximation."""
    package = importlib.import_module("flash_attn_interface")
    eight, scales = zip(*(written(states, FLOAT8, (-2, -1)) for states in (queries, keys, values)), strict=True)
    named = dict(zip(("q_descale", "k_descale", "v_descale"), (scale[..., 0, 0] for scale in scales), strict=True))
    found = package.flash_attn_func(*(states.transpose(1, 2) for states in eight), **named)
    attended: Tensor = found[0] if isinstance(found, tuple) else found
    return attended.transpose(1, 2).to(queries.dtype)


def sage_attention(queries: Queries, keys: Keys, values: Keys) -> Queries:
    """The package of that name, for NVIDIA GPUs: keys and queries in eight bits; an approximation."""
    attended: Tensor = importlib.import_module("sageattention").sageattn(queries, keys, values)
    return attended


KERNELS: Final[Mapping[str, Mapping[str, Kernel]]] = {
    "cpu": {SDPA: sdpa, "products": products},
    "cuda": {SDPA: sdpa, "cudnn": cudnn, "flash_attention_3": flash_attention_3},
}
"""What is tried on a kind of device; the first is the reference."""
ONLY_TORCH: Final[Mapping[str, Kernel]] = {SDPA: sdpa}
ROUGH: Final[Mapping[str, Mapping[str, Kernel]]] = {
    "cuda": {"flash_attention_3_float8": flash_attention_3_float8, "sage_attention": sage_attention}
}
"""Approximations of attention on a kind of device: never tried, taken by name only."""
ROUGH_NAMES: Final = tuple(name for kernels in ROUGH.values() for name in kernels)
NAMES: Final = ("probe", *dict.fromkeys(name for kernels in KERNELS.values() for name in kernels), *ROUGH_NAMES)
PACKAGES: Final[Mapping[str, str]] = {
    "flash_attention_3": "flash_attn_interface",
    "flash_attention_3_float8": "flash_attn_interface",
    "sage_attention": "sageattention",
}
"""What a kernel is imported from; it computes in 16 bits."""
SOURCES: Final[Mapping[str, str]] = {
    "flash_attn_interface": "build it from the folder hopper of github.com/Dao-AILab/flash-attention",
    "sageattention": "pip install sageattention",
}
"""How to get a package."""


MARGIN: Final = 1.25
"""How much faster than the reference a kernel must be to be chosen: noise is to change no last bits."""
LARGE: Final = 2**28
"""Operations from which on one head is enough to try."""


@dataclass(frozen=True)
class Shape:
    """What is attended to.

    Args:
        device: kind of device.
        dtype: precision.
        heads: of attention.
        queries: of each head.
        keys: of each head.
        head_dim: dimensions of a head.
    """

    device: str
    dtype: torch.dtype
    heads: int
    queries: int
    keys: int
    head_dim: int

    @property
    def inputs(self) -> list[Tensor]:
        """Random queries, keys and values; of one head where that is work enough."""
        rng, large = torch.Generator().manual_seed(0), 4 * self.queries * self.keys * self.head_dim > LARGE
        counts, heads = (self.queries, self.keys, self.keys), 1 if large else self.heads
        made = (torch.randn(1, heads, count, self.head_dim, generator=rng) for count in counts)
        return [states.to(self.device, self.dtype) for states in made]


@dataclass(frozen=True)
class Trial:
    """What came of trying the kernels on one shape.

    Args:
        chosen: the name of the best.
        seconds: of each that agrees with the first.
        out: why the others are out.
    """

    chosen: str
    seconds: Mapping[str, float]
    out: Mapping[str, str]

    def __str__(self) -> str:
        faults = "; ".join(f"{name} {reason}" for name, reason in self.out.items())
        return f"{faults}: using {self.chosen}" if faults else self.chosen


def kernel_for(name: str, shape: Shape) -> Kernel:
    """The kernel of that name, or with "probe" the best on this machine.

    Raises:
        ValueError: the device has none of that name, or it lacks the package or the precision for it.
    """
    kernels = {**KERNELS.get(shape.device, ONLY_TORCH), **ROUGH.get(shape.device, {})}
    chosen = tried(shape).chosen if name == "probe" else name
    if chosen not in kernels:
        raise ValueError(f"engine.attention is {name!r}; on {shape.device} allowed: probe, {', '.join(kernels)}")
    if fault := lacking(chosen, shape.dtype):
        raise ValueError(f"engine.attention is {name!r}; {fault}")
    return kernels[chosen]


def lacking(name: str, dtype: torch.dtype) -> str:
    """What a kernel lacks here: its package, or a precision it has; nothing if it is all there."""
    package = PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        return f"{package} is not found: {SOURCES[package]}"
    odd = package and dtype not in (torch.bfloat16, torch.float16)
    return (
        f"it computes in 16 bits, the student in {str(dtype).removeprefix('torch.')}: --dtype bfloat16" if odd else ""
    )


@cache
def tried(shape: Shape) -> Trial:
    """Try all kernels of a kind of device on random numbers; once a process for every shape. Says what is not there."""
    trial = compared(KERNELS.get(shape.device, ONLY_TORCH), shape.inputs)
    if trial.out:
        logging.getLogger(__name__).warning(f"engine.attention: {trial}")
    return trial


@torch.inference_mode()
def compared(kernels: Mapping[str, Kernel], inputs: Sequence[Tensor]) -> Trial:
    """Try kernels; the first is right, and is chosen unless one that agrees with it is faster by a margin."""
    right, wanted = next(iter(kernels)), next(iter(kernels.values()))(*inputs)
    out = {name: reason for name, kernel in kernels.items() if (reason := _wrong(kernel, inputs, wanted))}
    seconds = _timed({name: kernel for name, kernel in kernels.items() if name not in out}, inputs)
    best = min(seconds, key=lambda name: seconds[name] * (1 if name == right else MARGIN))
    return Trial(best, seconds, out)


def _wrong(kernel: Kernel, inputs: Sequence[Tensor], wanted: Tensor) -> str:
    """Why a kernel is out; nothing if it is not."""
    try:
        off = float((kernel(*inputs) - wanted).abs().max() / wanted.abs().max())
    except ImportError as error:
        return f"not found ({error})"
    except (RuntimeError, TypeError, ValueError) as error:
        return f"fails ({error})"
    return "" if off <= TOLERANCE else f"is off by {off:.2g} of the largest value"


def _timed(kernels: Mapping[str, Kernel], inputs: Sequence[Tensor]) -> dict[str, float]:
    """The least seconds of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(ROUNDS):
        for name, kernel in kernels.items():
            started = _clock(inputs[0].device)
            kernel(*inputs)
            taken[name].append(_clock(inputs[0].device) - started)
    return {name: min(times) for name, times in taken.items()}


def _clock(device: torch.device) -> float:
    """Seconds: on one thread of a CPU those it computed, whatever else the machine did."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.thread_time() if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()
