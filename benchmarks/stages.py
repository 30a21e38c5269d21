"""What the time of a stream is spent on: operations on a CPU, kernels on a GPU, each belonging to a stage."""

from collections.abc import Iterator
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

CPU: Final = torch.device("cpu")
OPERATIONS: Final = {
    "aten::addmm": "linear layers",
    "aten::mm": "attention",
    "aten::bmm": "attention",
    "aten::_softmax": "attention",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
    "aten::native_layer_norm": "normalisation",
    "aten::_fused_rms_norm": "normalisation",
    "aten::gelu": "activation",
    "aten::sigmoid_": "activation",
    "aten::copy_": "copies",
    "aten::cat": "copies",
}
"""By their names; all others are "rest"."""
KERNELS: Final = {
    "attention": ("flash", "fmha", "attention", "sdpa"),
    "convolutions": ("conv", "wgrad", "fprop", "dgrad"),
    "linear layers": ("gemm", "nvjet", "cutlass", "cublas", "gemv", "splitk"),
    "copies": ("memcpy", "memset", "copy", "catarray", "fillfunctor"),
    "generated": ("triton",),
    "normalisation": ("norm",),
    "elementwise": ("elementwise", "vectorized", "reduce"),
}
"""By what their names contain, the first that matches; all others are "rest"."""


def stages(running: Iterator[Any], chunks: int, device: torch.device = CPU) -> dict[str, float]:
    """Shares of the next chunks' time by what it is spent on: of one core's, or of a GPU's."""
    gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with profile(activities=activities):  # the first profile of a process begins with work of its own
        torch.ones(1, device=device).add(1)
    with profile(activities=activities) as measured:
        for _ in range(chunks):
            next(running)
        if gpu:
            torch.cuda.synchronize(device)
    events = measured.key_averages()
    if gpu:
        return shares((of_kernel(e.key), e.self_device_time_total) for e in events if on_gpu(e))
    return shares((OPERATIONS.get(event.key, "rest"), event.self_cpu_time_total) for event in events)


def on_gpu(event: Any) -> bool:
    """Whether a GPU, not the host, took the time of an event."""
    return str(event.device_type) == "DeviceType.CUDA"


def of_kernel(name: str) -> str:
    """The stage of a GPU's kernel.

    >>> of_kernel("void cutlass::device_kernel<flash::FlashAttnFwdSm90<...>>"), of_kernel("nvjet_tst_128x256_64x4")
    ('attention', 'linear layers')
    """
    words = name.lower()
    return next((stage for stage, parts in KERNELS.items() if any(part in words for part in parts)), "rest")


def shares(spent: Iterator[tuple[str, float]]) -> dict[str, float]:
    """Of each stage in all the time, three digits, the largest first."""
    summed: dict[str, float] = {}
    for stage, time in spent:
        summed[stage] = summed.get(stage, 0.0) + time
    whole = sum(summed.values()) or 1.0
    return {stage: round(time / whole, 3) for stage, time in sorted(summed.items(), key=lambda pair: -pair[1])}
