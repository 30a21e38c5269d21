"""Rounds of the toy distillation, one for each line that comes in; `benchmarks.training` runs it in two trees.

A round is a step of the student and those of the fake score that follow. What a round took goes out as a line of JSON.
It asks nothing of the tree that has not been there from the beginning.
"""

import json
import logging
import re
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import torch
from lightning import Callback, LightningModule, Trainer, seed_everything

from reward_forcing.composition import configuration

OVERRIDES: Final = ("trainer.accelerator=cpu", "trainer.devices=1", "logger=none", "run_dir=runs/benchmarks/training")


class Rounds(Callback):
    """Waits for a line before each round, and tells the seconds this thread computed in each of its steps.

    Args:
        steps: of a round.
        lines: come in.
        told: go out.
    """

    def __init__(self, steps: int, lines: TextIO, told: TextIO) -> None:
        self.steps, self.lines, self.told = steps, lines, told
        self.started = 0.0
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Wait for the turn, then start the clock."""
        if trainer.global_step % self.steps == 0:
            self.lines.readline()
        self.started = time.thread_time()

    def on_train_batch_end(self, trainer: Trainer, _: LightningModule, outputs: Any, *__: Any) -> None:
        """Stop the clock; after the last step of a round, tell."""
        self.seconds.append(time.thread_time() - self.started)
        self.losses += [float(value) for name, value in outputs.items() if name.endswith("/loss")]
        if trainer.global_step % self.steps == 0:
            told = {"seconds": self.seconds, "losses": self.losses, "resident_gb": most_resident() / 1e9}
            self.told.write(json.dumps(told) + "\n")
            self.told.flush()
            self.seconds, self.losses = [], []


def most_resident() -> int:
    """Bytes of this process's memory at its largest; where Linux tells, without those of the process it came from."""
    status = Path("/proc/self/status")
    peaks = re.findall(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else []
    return 1024 * int(peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main(arguments: Sequence[str]) -> None:
    """Do as many rounds as the first argument says, of the config that the others change."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    config = configuration.compose([*OVERRIDES, *arguments[1:]])
    config.trainer.enable_progress_bar = config.trainer.enable_checkpointing = False
    seed_everything(config.seed, verbose=False)
    data, module = configuration.build(config, "data"), configuration.build(config, "module")
    steps = module.fake_score_steps + 1
    config.trainer.max_steps = int(arguments[0]) * steps
    named = [name for name in ("student_ema", "huge_pages") if config.callbacks.get(name)]
    callbacks = [*(configuration.build(config.callbacks, name) for name in named), Rounds(steps, sys.stdin, sys.stdout)]
    configuration.build(config, "trainer")(logger=False, callbacks=callbacks).fit(module, datamodule=data)


if __name__ == "__main__":
    main(sys.argv[1:])
