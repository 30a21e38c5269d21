"""What a checkpoint costs: seconds until it is on the disk, digest included, alone and split over two processes."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning import Trainer

from reward_forcing.callbacks.checkpoints import Checkpoints
from reward_forcing.composition import configuration
from reward_forcing.safekeeping import files

REPEATS = 5
ROOT = Path(__file__).parents[1]


def checkpointing(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Seconds and bytes of a checkpoint of a distillation in this process, and sharded (FSDP2) over two.

    Args:
        overrides: of the toy distillation.
    """
    with TemporaryDirectory() as folder:
        alone = saved(Path(folder) / "alone", overrides)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        variables = {**os.environ, "OMP_NUM_THREADS": "1"}
        words = [*launcher, "-m", "benchmarks.checkpointing", folder, *overrides]
        subprocess.run(words, cwd=ROOT, env=variables, check=True, capture_output=True)  # noqa: S603 (our own command)
        pair = json.loads((Path(folder) / "pair.json").read_text(encoding="utf-8"))
    return {"alone": alone, "sharded_over_two": pair}


def saved(folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """The median time of a checkpoint after a step of the student and one of the fake score, and its size.

    Args:
        folder: where it goes.
        overrides: of the toy distillation.

    Returns:
        `seconds`, `bytes`, and `step_seconds` of the second step.
    """
    small = ["trainer.accelerator=cpu", "trainer.max_steps=2", "trainer.precision=32-true"]
    quiet = ["logger=none", "trainer.enable_progress_bar=false", f"run_dir={folder}"]
    config = configuration.compose([*overrides, *small, *quiet])
    keeper = Checkpoints(folder=folder, every=1, keep=1)
    trainer: Trainer = configuration.build(config, "trainer")(logger=False, callbacks=[keeper])
    module = configuration.build(config, "module")
    since = time.perf_counter()
    trainer.fit(module, datamodule=configuration.build(config, "data"))
    step, taken = (time.perf_counter() - since) / 2, []
    for _ in range(REPEATS):
        started = time.perf_counter()
        keeper.on_train_batch_end(trainer, module, {}, {}, 0)
        taken.append(time.perf_counter() - started)
    size = sum(file.stat().st_size for file in files((folder / "last.ckpt").resolve()))
    return {"seconds": statistics.median(taken), "bytes": size, "step_seconds": step}


def main(folder: Path, overrides: Sequence[str]) -> None:
    """One of two processes: save together; the first tells."""
    two = ["trainer=sharded", "trainer.devices=2", "trainer.num_nodes=1"]
    measured = saved(folder / "pair", [*two, *overrides])
    if os.environ["RANK"] == "0":
        (folder / "pair.json").write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
