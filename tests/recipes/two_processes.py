"""Run by torchrun in two processes: every recipe with small parts, one after the other; writes what the test reads."""

import sys
from pathlib import Path

from reward_forcing import train
from tests import small_recipes


def main(parts: Path, folder: Path) -> None:
    """Each in fp32, to be compared with one process, and as it is written, in bf16."""
    for name in small_recipes.RECIPES:
        for precision in ("32-true", "bf16-mixed"):
            given = small_recipes.overrides(name, parts, folder / precision / name, processes=2)
            (job,) = train.plan([*given, f"trainer.precision={precision}"])
            train.run(job.config)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
