"""What benchmarks share: what they ran on, how they time, count memory and write results."""

import datetime as dt
import gc
import math
import re
import statistics
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evaluation.speed.environment import load, machine
from evaluation.speed.work import MATRIX
from evaluation.table import write_json

RESULTS: Final = Path(__file__).parent / "results"
BUSY: Final = 300
"""Products of large matrices that keep a GPU at work while it is asked for its clock."""
ASKED: Final = {
    "clocks.sm": "clock_mhz",
    "clocks.mem": "memory_clock_mhz",
    "clocks.max.sm": "largest_clock_mhz",
    "temperature.gpu": "temperature_c",
    "power.draw": "power_w",
    "enforced.power.limit": "power_limit_w",
}
"""What nvidia-smi calls it, and we."""


@dataclass(frozen=True)
class Part:
    """A part of the benchmarks, whose result is a file.

    Args:
        measure: does it; the result as JSON knows it.
        short: arguments for those who only want to see that it works.
    """

    measure: Callable[..., Mapping[str, Any]]
    short: Mapping[str, Any] = field(default_factory=dict)


def environment(device: torch.device) -> dict[str, Any]:
    """Device, versions, clocks, other work, commit and date of a measurement."""
    return {
        **machine(str(device)),
        **clocks(device),
        "load": round(load(), 2),
        "commit": said_by("git", "-C", str(RESULTS.parent), "rev-parse", "HEAD") or None,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def said_by(*command: str) -> str:
    """What a program says; nothing where it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    except OSError:
        return ""


def clocks(device: torch.device, info: Path = Path("/proc/cpuinfo")) -> dict[str, float]:
    """Clocks in MHz: of a CPU's cores in the median, where the system tells; of a GPU while it multiplies."""
    if device.type != "cuda":
        known = re.findall(r"^cpu MHz\s*: (.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
        return {"clock_mhz": round(statistics.median(map(float, known)))} if known else {}
    one = torch.randn(MATRIX["cuda"], MATRIX["cuda"], device=device, dtype=torch.bfloat16)
    for _ in range(BUSY):
        torch.mm(one, one)
    uuid = torch.cuda.get_device_properties(device).uuid
    told = said_by("nvidia-smi", f"--id=GPU-{uuid}", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader,nounits")
    synchronise(device)
    return numbers_of(told)


def numbers_of(told: str) -> dict[str, float]:
    """The numbers that nvidia-smi told, by our names; those it does not know are left out.

    >>> numbers_of("1980, 2619, 1980, 54, [N/A], 700.00")["power_limit_w"]
    700.0
    """
    found = zip(ASKED.values(), told.split(", "), strict=False)
    return {name: float(value) for name, value in found if re.fullmatch(r"[\d.]+", value)}


def write_result(
    name: str, device: torch.device, measured: Mapping[str, Any], folder: Path = RESULTS, *, took: float
) -> Path:
    """Write what was measured, on what, and how many seconds it took, as `folder/NAME.json`.

    What is no number becomes null.
    """
    path, command = folder / f"{name}.json", f"python -m benchmarks {name}"
    told = {"name": name, "command": command, "took_seconds": took, "environment": environment(device)}
    write_json(path, finite({**told, "measured": measured}))
    return path


def finite(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def synchronise(device: torch.device) -> None:
    """Wait for what was asked of a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def let_go(device: torch.device) -> None:
    """Give back the memory of what nobody holds any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def clock(device: torch.device) -> float:
    """Seconds: of the clock on the wall, or on one thread of a CPU those it computed, whatever else the machine did."""
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return time.thread_time()
    synchronise(device)
    return time.perf_counter()


def seconds(run: Callable[[], object], device: torch.device, *, repeats: int = 5) -> float:
    """The median time of a call, after one that does not count."""
    run()
    taken = []
    for _ in range(repeats):
        started = clock(device)
        run()
        taken.append(clock(device) - started)
    return statistics.median(taken)


def side_by_side(
    runs: Mapping[str, Callable[[], object]], device: torch.device, *, rounds: int = 5
) -> dict[str, float]:
    """Median times of several calls, taken in turns, so that what else the machine does meets them alike."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(seconds(run, device, repeats=1))
    return {name: statistics.median(times) for name, times in taken.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that operations make, for as long as they live, on any device.

    What an operation uses inside itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak, self.operations = 0, 0, 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it, and what it made."""
        self.operations += 1
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self._count(leaf)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size
