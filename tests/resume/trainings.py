"""Small trainings of every stage on the real data module, as one process or the ranks of several do them."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from reward_forcing import seeding
from reward_forcing.callbacks.checkpoints import Checkpoints
from reward_forcing.callbacks.log_outputs import LogOutputs
from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.data.order import Pick
from reward_forcing.data.training_data import TrainingData
from reward_forcing.losses.protocols import LossStrategy
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.running_mean import RunningMean
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from reward_forcing.modules.codec_training import CodecTraining
from reward_forcing.modules.distillation import Distillation
from reward_forcing.modules.lora import LoRA
from reward_forcing.modules.steps import Batch, Recipe
from tests import training

BATCH = 4
ADAMW = partial(torch.optim.AdamW, lr=1e-3, eps=1e-3)
"""Weights move by their gradients, not by the signs of gradients near zero."""


@dataclass(frozen=True)
class Items:
    """Fewer than two batches of everything a stage may want; each is a function of its place in the row."""

    def prepare(self) -> None:
        """Nothing is missing."""

    def __len__(self) -> int:
        return 5

    def batch(self, picks: Sequence[Pick]) -> Batch:
        """Clips, their weights, prompts, and pictures."""
        drawn = [seeding.generator("item", pick.item, *pick.key) for pick in picks]
        latents = torch.stack([torch.randn(training.GEOMETRY.clip_shape, generator=rng) for rng in drawn])
        return {
            "latents": latents,
            "emphasis": torch.ones_like(latents[:, :, :1]),
            "prompts": [training.WORDS[pick.item % len(training.WORDS)] for pick in picks],
            "video": torch.stack([torch.rand(1, 3, 8, 8, generator=rng) for rng in drawn]),
        }


class Seen(Callback):
    """What was trained on and reported, step by step."""

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.reports: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        assert trainer.training
        assert pl_module.training
        content = batch["latents"].numpy().tobytes() + repr(batch["prompts"]).encode()
        self.batches.append(hashlib.sha256(content).hexdigest())
        self.reports.append({name: float(value) for name, value in outputs.items()})


def recipe(micro_batches: int) -> Recipe:
    return Recipe(optimizer=ADAMW, gradient_clip=1.0, micro_batches=micro_batches)


def pretraining(micro_batches: int) -> LightningModule:
    made = training.pretraining(micro_batches=micro_batches)
    made.recipe = recipe(micro_batches)
    return made


def causal_init(micro_batches: int) -> LightningModule:
    made = training.causal_init()
    made.recipe = recipe(micro_batches)
    return made


def distillation(micro_batches: int, loss: LossStrategy | None = None, lora: LoRA | None = None) -> Distillation:
    """With rollouts longer than a clip, and blocks that are computed again in the backward pass."""
    made = training.distillation(loss or ReDMD(beta=2.0), fake_score_steps=1, rollout_chunks=(6, 8), lora=lora)
    made.student.checkpointing = True
    made.student_recipe = made.fake_score_recipe = recipe(micro_batches)
    return made


def codec(micro_batches: int) -> LightningModule:
    torch.manual_seed(0)
    return CodecTraining(codec=ToyCodec(channels=2, width=4), recipe=recipe(micro_batches), seed=0)


STAGES: dict[str, Callable[[int], LightningModule]] = {
    "pretraining": pretraining,
    "causal_init": causal_init,
    "distillation": distillation,
    "self_normalised": partial(distillation, loss=SelfNormalisedReDMD(beta=2.0)),
    "running_mean": partial(distillation, loss=RunningMean(beta=2.0, decay=0.5)),
    "codec": codec,
}
"""By name, each given its micro-batches."""


def fit(
    module: LightningModule, folder: Path, steps: int, *, resume: Path | None = None, workers: int = 0, **trainer: Any
) -> Trainer:
    """Train up to a step, with a checkpoint after every second; leaves checkpoints, logs and what was seen."""
    seen = Seen()
    made = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=CSVLogger(folder, name="log", version=""),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[WeightEMA(decay=0.8), LogOutputs(every=2), seen, Checkpoints(folder=folder, every=2)],
        **trainer,
    )
    data = TrainingData(content=Items(), batch_size=BATCH, seed=0, workers=workers)
    made.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    torch.save({"batches": seen.batches, "reports": seen.reports}, folder / f"seen-{made.global_rank}.pt")
    return made


def seen_in(folder: Path, rank: int = 0) -> tuple[list[str], list[dict[str, float]]]:
    """Digests of a rank's batches, and its reports."""
    found = torch.load(folder / f"seen-{rank}.pt", weights_only=True)
    return found["batches"], found["reports"]


def logged_in(folder: Path) -> list[dict[str, str]]:
    """The lines of a log."""
    with (folder / "log" / "metrics.csv").open() as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
