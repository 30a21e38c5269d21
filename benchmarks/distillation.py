"""Seconds and peak memory of a student's and a fake score's step of distillation; random weights and prompts."""

import statistics
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from benchmarks.common import clock
from benchmarks.streaming import Scene, network_of, rollout_of
from reward_forcing.engine.reference import Engine
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.modules.distillation import Distillation, Frozen, ScoreSettings
from reward_forcing.modules.steps import Batch, Recipe, is_student_turn
from reward_forcing.rewards.none import NoReward

FAKE_SCORE_STEPS = 4


@dataclass(frozen=True)
class RandomText:
    """A text encoder that knows no words: the same random embedding for every prompt."""

    embedding: Tensor

    def __call__(self, prompts: Any) -> Tensor:
        """One embedding a prompt."""
        return self.embedding.expand(len(prompts), -1, -1)

    def prepare(self, prompts: Any) -> None:
        """Every prompt will do."""


class Watch(Callback):
    """Seconds and bytes of each step, by whose turn it was."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.started = device, 0.0
        self.seconds: dict[str, list[float]] = {"student": [], "fake_score": []}
        self.bytes: dict[str, int] = {"student": 0, "fake_score": 0}

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self.started = clock(self.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Note what the step took."""
        ended = clock(self.device)
        assert isinstance(pl_module, Distillation)
        student = is_student_turn(trainer.global_step - 1, pl_module.fake_score_steps)
        turn = "student" if student else "fake_score"
        self.seconds[turn].append(ended - self.started)
        if self.device.type == "cuda":
            self.bytes[turn] = max(self.bytes[turn], torch.cuda.max_memory_allocated(self.device))


def module_of(scene: Scene, device: torch.device, engine: Engine | None = None) -> Distillation:
    """A distillation as in experiments/reward_forcing_1_3b_one_gpu, without a reward."""
    make = partial(network_of, scene.sizes, device)
    recipe = Recipe(optimizer=partial(torch.optim.AdamW, lr=1e-6, betas=(0.0, 0.999)), gradient_clip=10.0)
    embedding = torch.randn(1, scene.words, scene.sizes.text_dim)
    return Distillation(
        student=make(torch.float32, checkpointing=True),
        fake_score=make(torch.float32, checkpointing=True),
        frozen=Frozen(teacher=make(scene.dtype), text=RandomText(embedding), reward=NoReward()),
        rollout=rollout_of(scene, engine),
        loss=DMD(),
        scores=ScoreSettings(guidance_scale=4.0, shift=5.0),
        geometry=scene.geometry,
        student_recipe=recipe,
        fake_score_recipe=recipe,
        fake_score_steps=FAKE_SCORE_STEPS,
        seed=0,
    )


def distil(
    scene: Scene,
    device: torch.device,
    *,
    steps: int,
    samples: int = 1,
    engine: Engine | None = None,
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed",
) -> dict[str, Any]:
    """Do some steps and tell what they took, the first of each turn left out of the times.

    Args:
        scene: what is distilled.
        device: where.
        steps: of both networks together.
        samples: in a step.
        engine: of rollouts.
        precision: as Lightning names it.
    """
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    watch = Watch(device)
    trainer = Trainer(
        max_steps=steps,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision=precision,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches: list[Batch] = [{"prompts": ["a fox runs through snow"] * samples}] * steps
    trainer.fit(module_of(scene, device, engine), torch.utils.data.DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    told: dict[str, Any] = {}
    for turn, seconds in watch.seconds.items():
        told[f"{turn}_step_seconds"] = statistics.median(seconds[1:] or seconds)
        told[f"{turn}_step_peak_gb"] = watch.bytes[turn] / 1e9 or None
    return told
