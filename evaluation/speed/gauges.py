"""How much memory and energy a stream takes."""

import importlib
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch


class Gauge(Protocol):
    """Bytes by kind. The first kind is what is in use now."""

    def reset(self) -> None:
        """Forget peaks."""
        ...

    def read(self) -> dict[str, int]:
        """Bytes in use, and peaks since the last reset."""
        ...


@dataclass(frozen=True)
class HostMemory:
    """Of this process, network and libraries included."""

    resident: Callable[[], int]

    def reset(self) -> None:
        """There are no peaks."""

    def read(self) -> dict[str, int]:
        """Resident bytes."""
        return {"resident": self.resident()}


@dataclass(frozen=True)
class CudaMemory:
    """Of torch's allocator on a GPU."""

    device: str = "cuda"

    def reset(self) -> None:
        """Peaks start from what is in use."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def read(self) -> dict[str, int]:
        """Bytes of tensors now, their peak, and the peak of what the allocator keeps."""
        return {
            "held": torch.cuda.memory_allocated(self.device),
            "allocated": torch.cuda.max_memory_allocated(self.device),
            "reserved": torch.cuda.max_memory_reserved(self.device),
        }


def gauge_of(device: str) -> Gauge:
    """The gauge that suits a device."""
    return CudaMemory(device) if device.startswith("cuda") else HostMemory(resident_bytes)


def resident_bytes() -> int:
    """Memory of this process now (Linux), elsewhere its peak so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass(frozen=True)
class Power:
    """The energy counter of a GPU, or why there is none."""

    why_not: str = ""
    nvml: Any = None
    handle: Any = None

    def joules(self) -> float | None:
        """Energy since the driver was loaded; None without a counter."""
        return None if self.nvml is None else self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000

    def state(self) -> dict[str, Any]:
        """Clock in MHz, temperature in degrees Celsius, power limit in watts, processes on the GPU."""
        if self.nvml is None:
            return {}
        nvml, handle = self.nvml, self.handle
        return {
            "clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "temperature_c": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "power_limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            "processes": len(nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        }


def power_of(device: str) -> Power:
    """The energy counter of a device."""
    if not device.startswith("cuda"):
        return Power("only NVIDIA GPUs are asked for their energy")
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return Power("pynvml is not installed: pip install nvidia-ml-py")
    try:
        nvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        power = Power("", nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        power.joules(), power.state()
    except nvml.NVMLError as error:
        return Power(f"this GPU has no counter: {error}")
    return power
