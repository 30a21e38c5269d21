"""Run by torchrun in two processes: distillation and initialisation on sharded networks; writes what the test reads."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.modules.distillation import Distillation
from reward_forcing.modules.lora import LoRA
from reward_forcing.modules.sharding import gathered, is_sharded, strategy
from reward_forcing.modules.steps import Batch, Recipe
from tests import training

BATCH = 4


def part(batch: Batch, rank: int, ranks: int) -> Batch:
    """A rank's share of a batch."""
    share = BATCH // ranks
    return {name: values[rank * share : (rank + 1) * share] for name, values in batch.items()}


class BadOnOneRank(training.Brightness):
    """NaN on the second rank only."""

    def __call__(self, clean: Any, prompts: Any) -> Any:
        return super().__call__(clean, prompts) * (torch.nan if torch.distributed.get_rank() else 1.0)


class Shares(training.StepLoader):
    """A rank's share of every batch."""

    def __init__(self, first: int, rank: int, ranks: int) -> None:
        super().__init__(BATCH, first)
        self.rank, self.ranks = rank, ranks

    def __iter__(self):  # type: ignore[no-untyped-def]
        return (part(batch, self.rank, self.ranks) for batch in super().__iter__())


def module(micro_batches: int, *, lora: bool = False) -> Distillation:
    """A distillation with rollouts longer than a clip and gradient checkpointing."""
    made = training.distillation(
        ReDMD(beta=2.0),
        micro_batches=micro_batches,
        fake_score_steps=1,
        rollout_chunks=(6, 8),
        lora=LoRA(rank=2, alpha=4.0) if lora else None,
    )
    made.student.checkpointing = True
    adamw = Recipe(
        optimizer=partial(torch.optim.AdamW, lr=1e-3, eps=1e-3), gradient_clip=1.0, micro_batches=micro_batches
    )
    made.student_recipe = made.fake_score_recipe = adamw
    return made


def fit(
    trained: LightningModule,
    steps: int,
    ranks: int,
    *,
    first: int = 0,
    resume: Path | None = None,
    precision: Any = None,
) -> tuple[Trainer, training.Reports]:
    """Train up to a step, on one process or sharded over two."""
    reports = training.Reports()
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=ranks,
        precision=precision,
        strategy=strategy(devices=ranks) if ranks > 1 else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[WeightEMA(decay=0.8), reports],
    )
    rank = trainer.global_rank
    trainer.fit(trained, DataLoader(Shares(first, rank, ranks), batch_size=None), ckpt_path=resume, weights_only=False)
    return trainer, reports


def numbers(reports: training.Reports) -> list[dict[str, float]]:
    """What every step reported."""
    return [{name: float(value) for name, value in report.items()} for report in reports.all]


def main(folder: Path) -> None:
    """Straight, interrupted and continued, with adapters, and in bf16."""
    straight = module(1)
    trainer, reports = fit(straight, 4, 2)
    half, _ = fit(module(1), 2, 2)
    half.save_checkpoint(folder / "half.ckpt")
    resumed = module(1)
    _, rest = fit(resumed, 4, 2, first=2, resume=folder / "half.ckpt")
    small = module(1, lora=True)
    _, small_reports = fit(small, 2, 2, precision="bf16-mixed")
    unjudged = module(1)
    unjudged.frozen.reward = BadOnOneRank()
    _, skips = fit(unjudged, 2, 2)
    found = {
        "sharded": all(is_sharded(part) for part in (straight.student, straight.student_ema, straight.fake_score))
        and is_sharded(straight.frozen.teacher),
        "reports": numbers(reports),
        "rest": numbers(rest),
        "weights": gathered(straight),
        "resumed": gathered(resumed),
        "export": straight.exports()["student"].state_dict(),
        "lora": numbers(small_reports),
        "skips": numbers(skips),
        "unjudged": gathered(unjudged),
        "lora_export": small.exports()["student"].state_dict(),
    }
    if trainer.is_global_zero:
        torch.save(found, folder / "found.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
