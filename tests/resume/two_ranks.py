"""Run by torchrun in two or four processes: every stage, whole and continued; leaves what the test reads."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from reward_forcing.composition.configuration import build, compose
from reward_forcing.modules.lora import LoRA
from reward_forcing.modules.sharding import gathered, is_sharded, ranks
from tests import training
from tests.resume.trainings import STAGES, distillation, fit

STEPS, HALF = 4, 2
LEARNERS = ("pretraining", "causal_init", "self_normalised")
MATRIX = {"ddp": LEARNERS, "sharded": LEARNERS, "hybrid": ("self_normalised",)}
"""Stages that are stopped and continued, by the option of `trainer`."""

SAME_AS_ONE = {"ddp": ("distillation", "codec"), "sharded": ("distillation",), "hybrid": ("distillation",)}
"""Stages that are compared with one process, beside the learners that do not compare samples."""


class BadOnOneRank(training.Brightness):
    """NaN on the second rank only."""

    def __call__(self, clean: Any, prompts: Any) -> Any:
        return super().__call__(clean, prompts) * (torch.nan if distributed.get_rank() == 1 else 1.0)


def configured(option: str, processes: int) -> dict[str, Any]:
    """Settings of the trainer as an option of `trainer` has them, for so many processes of this machine."""
    copies = ["trainer.strategy.replicas=2"] if option == "hybrid" else []
    config = compose([f"trainer={option}", f"trainer.devices={processes}", "trainer.num_nodes=1", *copies])
    return {"strategy": build(config.trainer, "strategy"), "devices": processes}


def unlike(folder: Path, alone: Path, processes: int) -> None:
    """Adapters in bf16, a reward that is NaN on one rank, what is split, exported and loaded."""
    small = distillation(1, lora=LoRA(rank=2, alpha=4.0))
    fit(small, folder / "lora", 2, precision="bf16-mixed", **configured("sharded", processes))
    unjudged, grown = distillation(1), distillation(1)
    unjudged.frozen.reward = BadOnOneRank()
    fit(unjudged, folder / "unjudged", 2, **configured("sharded", processes))
    fit(grown, folder / "begun", HALF, resume=alone, **configured("sharded", processes))
    networks = (unjudged.student, unjudged.student_ema, unjudged.fake_score, unjudged.frozen.teacher)
    found = {
        "sharded": all(map(is_sharded, networks)),
        "unjudged": gathered(unjudged),
        "grown": gathered(grown),
        "export": unjudged.exports()["student"].state_dict(),
        "lora_export": small.exports()["student"].state_dict(),
    }
    if distributed.get_rank() == 0:
        torch.save(found, folder / "found.pt")


def main(folder: Path, alone: Path, processes: int) -> None:
    """All of it, and the continuation of what one process began.

    Args:
        folder: where everything goes.
        alone: a checkpoint that one process left half-way.
        processes: how many there are.
    """
    for option, stages in MATRIX.items():
        for stage in stages:
            place = folder / option / stage
            fit(STAGES[stage](1), place / "whole", STEPS, **configured(option, processes))
            half = place / "whole" / f"step={HALF}.ckpt"
            fit(STAGES[stage](1), place / "rest", STEPS, resume=half, workers=2, **configured(option, processes))
        for stage in SAME_AS_ONE[option]:
            fit(STAGES[stage](1), folder / option / stage / "whole", STEPS, **configured(option, processes))
    fit(distillation(1), folder / "grown", STEPS, resume=alone, **configured("sharded", processes))
    unlike(folder, alone, processes)
    assert ranks() == processes


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
