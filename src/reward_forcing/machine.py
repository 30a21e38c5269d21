"""What a process runs on: versions of libraries, and how much memory it has taken."""

import importlib.metadata
import platform
import resource
import sys
from collections.abc import Iterable

import torch


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of packages; the project itself may be run uninstalled."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def device_named(wanted: str) -> str:
    """Where to compute: `auto` is a GPU if there is one.

    Raises:
        ValueError: there is no GPU, or no such kind of device.
    """
    there = torch.cuda.is_available()
    if wanted.startswith("cuda") and not there:
        raise ValueError(f"device is {wanted}, but there is no GPU that this torch can use; allowed: cpu, auto")
    try:
        torch.device("cpu" if wanted == "auto" else wanted)
    except RuntimeError as error:
        raise ValueError(f"device is {wanted!r}; allowed: auto, cpu, cuda, cuda:1, ...") from error
    return ("cuda" if there else "cpu") if wanted == "auto" else wanted


def forget_peak(device: torch.device) -> None:
    """Let `peak_memory` begin anew on a GPU; elsewhere it is that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """The most bytes so far: of tensors on a GPU, of the whole process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
