"""Run as a process: trains as `reward-forcing train` does, in children that it kills with SIGKILL at random instants.

The children are forked when the config is composed and everything is imported, so that a kill costs a second, not ten.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from reward_forcing import train
from reward_forcing.sweeps.jobs import Outcome

NEEDED = (
    "lightning",
    "reward_forcing.modules.distillation",
    "reward_forcing.callbacks.checkpoints",
    "reward_forcing.callbacks.guards",
    "reward_forcing.callbacks.sample_videos",
    "reward_forcing.sweeps.record",
)


def begin(training: Callable[[], Outcome]) -> int:
    """Start a training in a child; its process."""
    process = os.fork()
    if not process:
        status = 1
        try:
            status = 0 if training().done else 1
        finally:
            os._exit(status)
    return process


def ended(process: int, after: float = float("inf")) -> int:
    """The exit status of a child, killed if it is not done after so many seconds: then minus the signal."""
    until = time.monotonic() + after
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder: Path, kills: int, seed: int, overrides: Sequence[str]) -> None:
    """An uninterrupted run in `whole`, and one in `killed` that is killed so many times and then left to end."""
    for module in NEEDED:
        import_module(module)
    given = (*overrides, "trainer.max_steps=4", "resume=auto")
    whole, killed = (train.plan([*given, f"run_dir={folder / name}"])[0].config for name in ("whole", "killed"))
    since = time.monotonic()
    assert ended(begin(partial(train.run, whole))) == 0
    length = time.monotonic() - since
    rng, steps, count = random.Random(seed), list[int](), 0
    while count < kills:
        count += ended(begin(partial(train.run, killed)), rng.uniform(0.0, 0.8 * length)) == -signal.SIGKILL
        steps.append(max((int(p.stem[5:]) for p in (folder / "killed/checkpoints").glob("step=*.ckpt")), default=0))
    assert ended(begin(partial(train.run, killed))) == 0
    (folder / "told.json").write_text(json.dumps({"killed": count, "steps": steps, "seconds": length}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
