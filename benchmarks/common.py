"""What benchmarks share: what they ran on, how they time, count memory and write results."""

import datetime as dt
import json
import platform
import statistics
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

RESULTS: Final = Path(__file__).parent / "results"


def environment(device: torch.device) -> dict[str, Any]:
    """Device, versions, commit and date of a measurement."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "commit": commit or None,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def write_result(name: str, device: torch.device, measured: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write what was measured, and on what, as `folder/NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, **environment(device), **measured}, indent=1), encoding="utf-8")
    return path


def synchronise(device: torch.device) -> None:
    """Wait for what was asked of a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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
