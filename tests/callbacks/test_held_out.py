"""Real tiny trainings; the averaged student is pushed on the way, so that what it generates becomes brighter."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader

from evaluation.measure import choose
from evaluation.video_metric import VideoMetric
from reward_forcing.callbacks.held_out import HeldOut, HeldOutMetric
from reward_forcing.callbacks.sample_videos import StudentSampler
from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.composition.places import shipped
from reward_forcing.rollout import Rollout
from reward_forcing.shapes import Geometry
from tests import tiny, training
from tests.rewards.pixels import Pixels

pytestmark = pytest.mark.filterwarnings("ignore")


class Grey(Pixels):
    """A codec: the mean of the channels as grey, nothing enlarged."""

    def decode_next(self, latents: Tensor, past: Any = None) -> tuple[Tensor, Any]:
        return (latents.mean(2, keepdim=True) / 4).expand(-1, -1, 3, -1, -1), past


class Level:
    """A metric: mean grey level."""

    def __init__(self, *, higher_is_better: bool | None) -> None:
        self.higher_is_better = higher_is_better
        self.scores: list[float] = []

    def reset(self) -> None:
        self.scores = []

    def update(self, videos: Tensor, prompts: Sequence[str], indices: Sequence[int]) -> None:
        assert videos.dtype == torch.uint8
        assert len(videos) == len(prompts) == len(indices)
        self.scores += videos.float().mean((1, 2, 3, 4)).tolist()

    def per_video(self) -> dict[int, float]:
        return dict(enumerate(self.scores))


class Push(Callback):
    """Makes what the averaged student generates brighter (or darker) after each step."""

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        module: Any = pl_module
        module.student_ema.head.head.bias.data -= self.amount


def held_out(**changed: Any) -> HeldOut:
    sampler = StudentSampler(
        rollout=Rollout(levels=training.LEVELS, memory=training.memory()), geometry=training.GEOMETRY, chunks=3
    )
    settings: dict[str, Any] = {
        "every": 2,
        "window": 3,
        "certainty": 3.0,
        "stop": False,
        "prompts": ["red", "blue", "big"],
        "sampler": sampler,
        "codec": Grey(),
        "text": training.Words(),
        "seed": 5,
        "metrics": {"darkness": Level(higher_is_better=False), "brightness": Level(higher_is_better=True)},
    }
    return HeldOut(**{**settings, **changed})


def test_a_reward_that_rises_at_the_cost_of_a_metric_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The reward is the latents' brightness; the metric in which dark is good falls, the other does not."""
    trainer = training.fit(training.distillation(), 6, Push(0.3), held_out())
    assert trainer.global_step == 6
    (told,) = [record.message for record in caplog.records if "held_out" in record.name]
    assert told.startswith("step 6: the reward rises while others get worse over 3 looks: reward +")
    assert "darkness +" in told
    assert "brightness" not in told


def test_the_training_stops_where_that_is_wanted() -> None:
    assert training.fit(training.distillation(), 12, Push(0.3), held_out(stop=True)).global_step == 6


@pytest.mark.parametrize("push", [-0.3, 0.0])
def test_a_reward_that_does_not_rise_is_not_hacked(push: float, caplog: pytest.LogCaptureFixture) -> None:
    callback = held_out(stop=True)
    assert training.fit(training.distillation(), 8, Push(push), callback).global_step == 8
    assert not [record for record in caplog.records if "held_out" in record.name]
    assert len(callback.looks) == 3


def test_looks_are_logged_and_go_on_after_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training.fit(training.distillation(), 4, Push(0.3), held_out()).save_checkpoint(tmp_path / "half.ckpt")
    logger, callback = CSVLogger(tmp_path, name="", version=""), held_out()
    trainer = Trainer(
        max_steps=6,
        accelerator="cpu",
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Push(0.3), callback],
    )
    loader = DataLoader(training.StepLoader(4, 4), batch_size=None)
    trainer.fit(training.distillation(), loader, ckpt_path=tmp_path / "half.ckpt", weights_only=False)
    logger.save()
    header, row = (tmp_path / "metrics.csv").read_text().split()
    assert header.split(",") == ["held_out/brightness", "held_out/darkness", "held_out/reward", "step"]
    assert float(row.split(",")[2]) == pytest.approx(sum(callback.looks[-1]["reward"]) / 3)
    assert "step 6: the reward rises while others get worse over 3 looks" in caplog.text


def test_looking_changes_nothing_in_the_training() -> None:
    plain, watched = training.distillation(), training.distillation()
    training.fit(plain, 4)
    training.fit(watched, 4, held_out(every=1))
    assert all(torch.equal(value, watched.state_dict()[name]) for name, value in plain.state_dict().items())


def test_real_metrics_of_the_evaluation_are_taken() -> None:
    """One that says nothing of some prompts, too: only a moving camera must leave the first view behind."""
    metrics = {name: VideoMetric(name) for name in ("copy_score", "colour_accuracy")}
    assert all(isinstance(metric, HeldOutMetric) for metric in metrics.values())
    words = ["red circle fast pan-slow", "blue cross slow plain"]
    codec = ToyCodec(channels=tiny.SIZES["channels"], width=8)
    geometry = Geometry(channels=tiny.SIZES["channels"], height=8, width=8, frames=3, chunk_frames=1)
    sampler = StudentSampler(
        rollout=Rollout(levels=training.LEVELS, memory=training.memory()), geometry=geometry, chunks=3
    )
    callback = held_out(prompts=words, metrics=metrics, codec=codec, sampler=sampler)
    looked = callback._look(training.distillation())
    assert {name: len(scores) for name, scores in looked.items()} == dict.fromkeys(["reward", *metrics], 2)
    assert [math.isnan(score) for score in looked["copy_score"]] == [False, True]
    assert not any(math.isnan(score) for score in looked["colour_accuracy"])


def test_no_configured_metric_is_part_of_the_reward() -> None:
    node = OmegaConf.load(shipped("configs/callbacks/student_monitored.yaml"))
    measures = choose([metric.measure for metric in node.held_out.metrics.values()])
    assert len(measures) >= 3
    assert not any(measure.optimised("tracked_motion") for measure in measures.values())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 0}, r"held_out\.every is 0; it must be at least 1"),
        ({"window": 2}, r"held_out\.window is 2; it must be at least 3"),
        ({"prompts": ["red"]}, r"held_out\.prompts is 1; it must be at least 2"),
        ({"certainty": 0.0}, r"held_out\.certainty is 0\.0; it must be positive"),
        ({"metrics": {"level": Level(higher_is_better=None)}}, r"held_out\.metrics\.level has no better end; allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        held_out(**wrong)


def test_nothing_is_said_before_the_window_is_full(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        training.fit(training.distillation(), 4, Push(0.3), held_out())
    assert not [record for record in caplog.records if "held_out" in record.name]
