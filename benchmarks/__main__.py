"""`python -m benchmarks cpu` compares what should cost the same; `gpu` measures the real sizes on an NVIDIA GPU.

`engines` is the part of `cpu` that sets the fast engine beside the reference.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks import small
from benchmarks.approximations import approximations
from benchmarks.common import write_result
from benchmarks.distillation import FAKE_SCORE_STEPS, distil
from benchmarks.engines import engines
from benchmarks.guards import guards
from benchmarks.judging import judging
from benchmarks.streaming import LIMIT_GB, PAPER, network_of, planned, stream, summary
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference


def cpu() -> dict[str, dict[str, Any]]:
    """Ratios on small networks, planned memory of the real one, engines, and what judging and guards cost."""
    torch.set_num_threads(1)
    streaming = {**small.ratios(), "planned_streaming_gb": planned(PAPER), "limit_streaming_gb": LIMIT_GB}
    return {"cpu": streaming, **contest(), "judging": judging(), "guards": guards()}


def contest() -> dict[str, dict[str, Any]]:
    """The fast engine against the reference, and approximations against the fast engine."""
    torch.set_num_threads(1)
    return {"engines": engines(), "approximations": approximations()}


def gpu() -> dict[str, dict[str, Any]]:
    """A 1.3B student at 480 x 832: streaming 40 chunks by each engine, and a round and a half of distillation steps.

    Raises:
        ValueError: there is no NVIDIA GPU.
    """
    if not torch.cuda.is_available():
        raise ValueError("there is no NVIDIA GPU here; `make bench` measures what a CPU can")
    device = torch.device("cuda")
    network = network_of(PAPER.sizes, device, PAPER.dtype)
    network.requires_grad_(requires_grad=False)
    streamed: dict[str, dict[str, Any]] = {}
    by: dict[str, Engine] = {"streaming": Reference(), "streaming_fast": Fast()}
    for name, engine in by.items():
        stream(PAPER, network, 5, engine)
        streamed[name] = summary(PAPER, stream(PAPER, network, 40, engine))
    del network
    torch.cuda.empty_cache()
    return {**streamed, "distillation": distil(PAPER, device, steps=2 * FAKE_SCORE_STEPS)}


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 done, 2 refused."""
    kinds: dict[str, Callable[[], dict[str, dict[str, Any]]]] = {"cpu": cpu, "engines": contest, "gpu": gpu}
    if len(arguments) != 1 or arguments[0] not in kinds:
        sys.stderr.write(f"benchmarks: {' '.join(arguments) or 'nothing'} is given; allowed: {', '.join(kinds)}\n")
        return 2
    device = torch.device("cuda" if arguments[0] == "gpu" else "cpu")
    try:
        measured = kinds[arguments[0]]()
    except ValueError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    for name, values in measured.items():
        path = write_result(name, device, values)
        sys.stdout.write(f"{path}\n{json.dumps(values, indent=1)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
