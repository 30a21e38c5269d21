"""Run in a process of its own: how much memory loading networks takes, in bytes; writes JSON."""

import json
import sys
import threading
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import load

FIELDS = ("RssAnon", "VmRSS")
"""Of /proc/self/status: memory that only this process has, and all that is in use, pages of mapped files included."""


def resident() -> dict[str, int]:
    """What is in use now, in bytes."""
    lines = [line.split() for line in Path("/proc/self/status").read_text("ascii").splitlines()]
    known = {words[0].rstrip(":"): words[1] for words in lines if len(words) > 1}
    return {name: 1024 * int(known[name]) for name in FIELDS}


class Peak(threading.Thread):
    """Looks at memory every millisecond."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = resident()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.001):
            self.look()

    def look(self) -> None:
        now = resident()
        self.most = {name: max(now[name], self.most[name]) for name in FIELDS}

    @property
    def growth(self) -> dict[str, int]:
        return {name: self.most[name] - self.before[name] for name in FIELDS}


def grown(work: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """What some work returns, and how far memory grew while it was done."""
    peak = Peak()
    peak.start()
    result = work()
    peak.look()
    peak.done.set()
    peak.join()
    return result, peak.growth


def used(source: str, dtype: Any) -> WanTransformer:
    """A network loaded and written to all over, as by an optimiser: no page of it is left in the file alone."""
    network = load(source, dtype=dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1)
    return network


def measure(source: str, dtype: str, more: str = "") -> dict[str, int]:
    """The size of a network and how far memory grew, `used`; with "twice", a second copy included."""
    torch.set_num_threads(1)
    (network, *_), growth = grown(lambda: [used(source, dtype) for _ in range(2 if more else 1)])
    return {"network": sum(parameter.nbytes for parameter in network.parameters()), **growth}


def main(folder: str, *cases: str) -> None:
    """Measure `SOURCE:DTYPE` after `SOURCE:DTYPE`, each in a fresh process that has the libraries already."""
    load(Path(folder) / "small.safetensors")
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = pool.starmap(measure, [f"{folder}/{case}".split(":") for case in cases], chunksize=1)
    sys.stdout.write(json.dumps(dict(zip(cases, found, strict=True))))


if __name__ == "__main__":
    main(*sys.argv[1:])
