"""What a finished run records of itself, beside what came out."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

from reward_forcing.machine import peak_memory, versions
from reward_forcing.plan.planning import make_plan

PACKAGES: Final = ("reward-forcing", "torch", "lightning")
SOURCE: Final = Path(__file__).parents[1]


def record(values: Mapping[str, Any], steps: int, device: torch.device) -> dict[str, Any]:
    """How the run was done.

    Args:
        values: its config, resolved.
        steps: it has done.
        device: it computed on.

    Returns:
        `planned_flops` (operations of all steps as the plan counts them, null for a codec), `threads`,
        `peak_memory_gib` (of the process on a CPU, of the allocator on a GPU), `device`, `versions`, `finished`.
    """
    plan = make_plan(values)
    return {
        "planned_flops": plan.flops * steps if plan else None,
        "threads": torch.get_num_threads(),
        "peak_memory_gib": round(peak_memory(device) / 2**30, 3),
        "device": device_name(device),
        "versions": code(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def device_name(device: torch.device) -> str:
    """What a device calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


@cache
def code() -> dict[str, str]:
    """Versions of what computes, and digits of the project's own source, whatever version it calls itself."""
    source = hashlib.sha256()
    for file in sorted(SOURCE.rglob("*.py")):
        source.update(file.read_bytes())
    return {**versions(PACKAGES), "source": source.hexdigest()[:16]}
