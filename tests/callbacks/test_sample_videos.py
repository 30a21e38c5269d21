from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch.utils.data import DataLoader

from reward_forcing.callbacks.sample_videos import Sampler, SampleVideos, StudentSampler, TeacherSampler
from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.rollout import Rollout
from tests import tiny, training

SAMPLERS: list[tuple[LightningModule, Sampler]] = [
    (
        training.distillation(),
        StudentSampler(
            rollout=Rollout(levels=training.LEVELS, memory=training.memory()), geometry=training.GEOMETRY, chunks=4
        ),
    ),
    (training.pretraining(), TeacherSampler(geometry=training.GEOMETRY, steps=2, guidance_scale=2.0, shift=3.0)),
]


@pytest.mark.parametrize(("module", "sampler"), SAMPLERS, ids=["student", "teacher"])
def test_samples_reach_the_folder_and_tensorboard(module: LightningModule, sampler: Sampler, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    codec = ToyCodec(channels=tiny.SIZES["channels"], width=8)
    callback = SampleVideos(
        every=2, prompts=["red", "blue"], sampler=sampler, codec=codec, text=training.Words(), seed=0, fps=8, scale=2
    )
    logger = TensorBoardLogger(tmp_path, name="", version="")
    trainer = Trainer(
        max_steps=4,
        accelerator="cpu",
        logger=logger,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    trainer.fit(module, DataLoader(training.StepLoader(2), batch_size=None))
    strips = sorted((tmp_path / "samples").glob("*.png"))
    assert [strip.name for strip in strips] == ["step=2.png", "step=4.png"]
    with Image.open(strips[0]) as strip:
        assert strip.height > 16
    events = EventAccumulator(str(tmp_path)).Reload()
    shown = events.Images("samples")
    assert [image.step for image in shown] == [2, 4]
    assert shown[0].encoded_image_string.startswith(b"GIF89a")


def test_the_same_noise_every_time() -> None:
    module, sampler = SAMPLERS[0]
    prompt = training.Words()(["red"])
    with torch.no_grad():
        assert torch.equal(sampler(module, prompt, prompt, 0), sampler(module, prompt, prompt, 0))
        assert not torch.equal(sampler(module, prompt, prompt, 0), sampler(module, prompt, prompt, 1))
