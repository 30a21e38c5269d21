"""`python -m benchmarks cpu` measures what a CPU can, `gpu` the real sizes on an NVIDIA GPU.

`tables` writes the page anew from the results. Parts can also be asked for by name. Each writes its result when it is
done, so that an interruption loses one at most.
"""

import argparse
import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import torch

from benchmarks import gpu, small
from benchmarks.approximations import approximations
from benchmarks.checkpointing import checkpointing
from benchmarks.codecs import codecs
from benchmarks.common import RESULTS, Part, let_go, write_result
from benchmarks.engines import engines
from benchmarks.guards import guards
from benchmarks.judging import judging
from benchmarks.streaming import PAPER
from benchmarks.tables import told, write_page
from benchmarks.training import training

Parts: TypeAlias = Mapping[str, Part]

ON_CPU: Final[Parts] = {
    "ratios": Part(small.ratios, {"rounds": 1, "chunks": 12}),
    "engines": Part(engines, {"toy_chunks": 2, "mini_chunks": 1, "rounds": 1}),
    "approximations": Part(approximations, {"chunks": 8, "mini_chunks": 1, "draws": 1}),
    "codecs": Part(codecs, {"chunks": 1}),
    "judging": Part(judging, {"videos": 2, "frames": 30, "long_seconds": 60}),
    "guards": Part(guards),
    "training": Part(training, {"rounds": 2}),
    "checkpointing": Part(checkpointing),
}
"""On one thread; `make bench` does them all."""
ON_GPU: Final[Parts] = gpu.parts(PAPER, torch.device("cuda"), gpu.CODECS)
"""`make bench-gpu` does them all."""
GROUPS: Final[Mapping[str, Parts]] = {"cpu": ON_CPU, "gpu": ON_GPU}
SHORT: Final = Path("runs/benchmarks")
"""Where results go that only show that everything works."""
HEARTBEAT: Final = 20.0
"""Seconds between two signs of life."""


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 done, 1 some part failed, 2 refused, 130 interrupted."""
    given = parser().parse_args(arguments)
    if given.what == ["tables"]:
        sys.stdout.write("".join(f"{path}\n" for path in write_page()))
        return 0
    try:
        parts, device = chosen(given.what)
    except ValueError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    folder = given.out or (SHORT if given.short else RESULTS)
    status = run(parts, device, folder, short=given.short)
    if folder == RESULTS:
        write_page()
    return status


def parser() -> argparse.ArgumentParser:
    """What may be said."""
    names = ", ".join([*GROUPS, "tables", *ON_CPU, *ON_GPU])
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("what", nargs="+", metavar="WHAT", help=names)
    made.add_argument("--short", action="store_true", help=f"sizes that only show that all works; into {SHORT}")
    made.add_argument("--out", type=Path, metavar="FOLDER", help="for the results; benchmarks/results, with the page")
    return made


def chosen(names: Sequence[str]) -> tuple[Parts, torch.device]:
    """Parts by their names or their group's, and where they run.

    Raises:
        ValueError: there is no such part, no such device, or two devices are asked for.
    """
    known = {**GROUPS, **{name: {name: part} for parts in GROUPS.values() for name, part in parts.items()}}
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(f"{strange[0]} is given; allowed: {', '.join([*known, 'tables'])}")
    parts = {name: part for group in names for name, part in known[group].items()}
    on_gpu = [name in ON_GPU for name in parts]
    if any(on_gpu) and not all(on_gpu):
        raise ValueError(f"{', '.join(parts)} are given; allowed: parts of one device at a time")
    if any(on_gpu) and not torch.cuda.is_available():
        raise ValueError("there is no NVIDIA GPU here; `make bench` measures what a CPU can")
    return parts, torch.device("cuda" if any(on_gpu) else "cpu")


def run(parts: Parts, device: torch.device, folder: Path, *, short: bool = False) -> int:
    """Measure parts one after the other, write and show each as soon as it is done; the exit status."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    failed = 0
    for number, (name, part) in enumerate(parts.items(), 1):
        began = time.perf_counter()
        sys.stderr.write(f"[{number}/{len(parts)}] {name}\n")
        try:
            with alive(name):
                measured = part.measure(**part.short if short else {})
            path = write_result(name, device, measured, folder, took=time.perf_counter() - began)
            sys.stdout.write(f"{path}\n\n{told(path)}\n\n")
        except KeyboardInterrupt:
            sys.stderr.write(f"benchmarks: interrupted in {name}; what was done before is in {folder}\n")
            return 130
        except Exception:
            sys.stderr.write(f"benchmarks: {name} failed, the others go on\n{traceback.format_exc()}")
            failed += 1
        let_go(device)
    return int(failed > 0)


@contextmanager
def alive(name: str, every: float = HEARTBEAT) -> Iterator[None]:
    """Say from time to time how long something takes."""
    done, began = threading.Event(), time.perf_counter()

    def tell() -> None:
        while not done.wait(every):
            sys.stderr.write(f"      {name}: {time.perf_counter() - began:.0f} s so far\n")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
