"""Tiny real training runs for tests: every part is the real one, only small."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor
from torch.utils.data import DataLoader

from reward_forcing import seeding
from reward_forcing.losses.protocols import LossStrategy
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.modules.causal_init import CausalInitialization
from reward_forcing.modules.distillation import Distillation, Frozen, ScoreSettings
from reward_forcing.modules.initialisation import TeacherForcing
from reward_forcing.modules.lora import LoRA, adapt
from reward_forcing.modules.optimizers import MuonAdamW
from reward_forcing.modules.pretraining import Lesson, Pretraining
from reward_forcing.modules.steps import Batch, RateSchedule, Recipe
from reward_forcing.rollout import Rollout
from reward_forcing.shapes import Geometry, Latents, Rewards
from tests import tiny

GEOMETRY = Geometry(channels=tiny.SIZES["channels"], height=4, width=4, frames=6, chunk_frames=1)
LEVELS = (1.0, 0.9, 0.6)
LESSONS = (Lesson(frames=2, shift=2.0, until=0.5), Lesson(frames=6, shift=3.0))
WORDS = ("red", "blue", "big", "small")


class Words:
    """A text encoder: each prompt is its own fixed random embedding; the empty one is zero."""

    def __call__(self, prompts: Any) -> Tensor:
        shape = (tiny.WORDS, tiny.SIZES["text_dim"])
        rows = [torch.randn(shape, generator=seeding.generator(p)) if p else torch.zeros(shape) for p in prompts]
        return torch.stack(rows)

    def prepare(self, prompts: Any) -> None:
        """Every prompt will do."""


class Brightness:
    """A reward: the mean of the latents."""

    def __call__(self, clean: Latents, prompts: Any) -> Rewards:
        assert len(prompts) == len(clean)
        return clean.mean((1, 2, 3, 4))

    def to(self, device: Any, /) -> "Brightness":  # noqa: ARG002
        return self


class StepLoader(torch.utils.data.IterableDataset[Batch]):
    """Endless batches, each a function of its number; it starts at the step training has reached."""

    def __init__(self, batch: int, first: int = 0) -> None:
        self.batch, self.first = batch, first

    def __iter__(self) -> Iterator[Batch]:
        step = self.first
        while True:
            rng = seeding.generator("batch", step)
            shape = (self.batch, *GEOMETRY.clip_shape)
            names = [WORDS[index] for index in torch.randint(len(WORDS), (self.batch,), generator=rng).tolist()]
            yield {
                "latents": torch.randn(shape, generator=rng),
                "emphasis": torch.ones(self.batch, GEOMETRY.frames, 1, 4, 4),
                "states": torch.randn((self.batch, 3, *GEOMETRY.clip_shape), generator=rng),
                "prompts": names,
            }
            step += 1


def recipe(micro_batches: int = 1, lr: float = 1e-2, **rate: Any) -> Recipe:
    schedule = RateSchedule(**rate)
    return Recipe(optimizer=partial(MuonAdamW, lr=lr), gradient_clip=1.0, rate=schedule, micro_batches=micro_batches)


def memory(decay: float = 0.9, window: int = 3) -> MemoryPolicy:
    return MemoryPolicy(sink=EMASink(frames=1, decay=decay), window_frames=window, chunk_frames=1)


def pretraining(seed: int = 0, micro_batches: int = 1) -> Pretraining:
    network, steps = tiny.network(), recipe(micro_batches, total=12, fall=0.5)
    return Pretraining(
        teacher=network, text=Words(), recipe=steps, seed=seed, lessons=LESSONS, steps=12, prompt_dropout=0.5
    )


def causal_init(objective: Any = None) -> CausalInitialization:
    objective = objective or TeacherForcing(memories=[memory(), memory(1.0)], levels=LEVELS, shift=3.0)
    return CausalInitialization(student=tiny.network(), objective=objective, text=Words(), recipe=recipe(), seed=0)


def distillation(
    loss: LossStrategy | None = None,
    seed: int = 0,
    micro_batches: int = 1,
    fake_score_steps: int = 2,
    lora: LoRA | None = None,
    *,
    linears: Any = "exact",
    **more: Any,
) -> Distillation:
    student = tiny.network(1)
    if lora is not None:
        adapt(student, lora)
    return Distillation(
        student=student,
        fake_score=tiny.network(2),
        frozen=Frozen(teacher=tiny.network(2), text=Words(), reward=Brightness(), teacher_linears=linears),
        rollout=Rollout(levels=LEVELS, memory=memory()),
        loss=loss or DMD(),
        scores=ScoreSettings(guidance_scale=3.0, shift=3.0),
        geometry=GEOMETRY,
        student_recipe=recipe(micro_batches),
        fake_score_recipe=recipe(micro_batches, lr=2e-2),
        fake_score_steps=fake_score_steps,
        seed=seed,
        **more,
    )


class Reports(Callback):
    """Keeps what every training step returned."""

    def __init__(self) -> None:
        self.all: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        assert trainer.global_step
        assert pl_module.training
        self.all.append(dict(outputs))


def fit(
    module: LightningModule,
    steps: int,
    *callbacks: Callback,
    resume: Path | None = None,
    first: int = 0,
    batch: int = 4,
    **settings: Any,
) -> Trainer:
    """Train up to step `steps`, starting the data at step `first`; on one CPU unless settings of the trainer differ."""
    trainer = Trainer(
        max_steps=steps,
        **{"accelerator": "cpu", "devices": 1, **settings},
        logger=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(module, DataLoader(StepLoader(batch, first), batch_size=None), ckpt_path=resume, weights_only=False)
    return trainer
