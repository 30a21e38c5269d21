"""What times depend on, and whether two rows may be compared at all."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

import reward_forcing

PACKAGE: Final = Path(reward_forcing.__file__).parent


def machine(device: str = "cpu") -> dict[str, Any]:
    """Device, software and code: all of it must agree for times to be compared."""
    gpu = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(device) if gpu else processor(),
        "threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "driver": driver() if gpu else "none",
        "cuda": torch.version.cuda if gpu else "none",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "code": code(),
    }


def processor(info: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the CPU."""
    named = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


def driver(version: Path = Path("/proc/driver/nvidia/version")) -> str:
    """The version of NVIDIA's driver."""
    found = re.search(r"\s(\d+(?:\.\d+)+)\s", version.read_text()) if version.is_file() else None
    return found[1] if found else "unknown"


@cache
def code() -> str:
    """Version and commit, and a digest of the sources, which may have been changed since."""
    whole = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        whole.update(file.read_bytes())
    try:
        version = importlib.metadata.version("reward-forcing")
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    commit = _commit(PACKAGE.parents[1])
    return f"{version}{f' at {commit}' if commit else ''}, sources {whole.hexdigest()[:12]}"


def _commit(root: Path) -> str:
    """The commit of a checkout; empty elsewhere."""
    if not (root / ".git").exists():
        return ""
    try:
        asked = ["git", "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    except OSError:
        return ""


def attention(device: str, dtype: torch.dtype, head_dim: int) -> str:
    """The kernel that torch chooses for attention of heads of this size."""
    from torch.nn.attention import SDPBackend

    heads = torch.zeros(1, 1, 16, head_dim, device=device, dtype=dtype)
    chosen = torch._fused_sdp_choice(heads, heads, heads)
    names = {int(kind): name.lower() for name, kind in SDPBackend.__members__.items()}  # type: ignore[call-overload]
    return names.get(chosen, str(chosen))


def load() -> float:
    """What else the machine does: processes that wanted to run in the last minute, as many as were; NaN if unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def digest(values: Mapping[str, Any]) -> str:
    """A short SHA-256 of plain values, whatever their order."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(one: Mapping[str, Any], other: Mapping[str, Any], keys: Sequence[str] | None = None) -> list[str]:
    """What two fingerprints do not agree on, in words; what only one of them knows is no difference."""
    both = [key for key in (one if keys is None else keys) if key in one and key in other]
    return [f"{key} ({one[key]}, {other[key]})" for key in both if _plain(one[key]) != _plain(other[key])]


def _plain(value: Any) -> str:
    """As it will be read back from JSON."""
    return json.dumps(value, sort_keys=True, default=str)


def refuse(fingerprints: Mapping[str, Mapping[str, Any]], *, force: bool = False) -> list[str]:
    """Refuse to compare what was not measured alike.

    Args:
        fingerprints: of rows, by name; all are held against the first.
        force: tell the differences instead.

    Returns:
        The differences, a sentence a row.

    Raises:
        ValueError: there are some, and nobody insists.
    """
    names = list(fingerprints)
    found = {
        name: differences(fingerprints[names[0]], fingerprints[name])
        for name in names[1:]
        if differences(fingerprints[names[0]], fingerprints[name])
    }
    told = [f"{names[0]} and {name} differ in {', '.join(words)}" for name, words in found.items()]
    if told and not force:
        raise ValueError(f"speed: {'; '.join(told)}. Such rows are not comparable; --force sets them side by side")
    return told
