from functools import partial
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.modules.codec_training import CodecTraining
from reward_forcing.modules.steps import Recipe
from tests import tiny, training


def test_codec_learns_and_normalises_its_latents() -> None:
    torch.manual_seed(0)
    recipe = Recipe(optimizer=partial(torch.optim.AdamW, lr=3e-3), gradient_clip=1.0)
    module = CodecTraining(codec=ToyCodec(channels=2, width=8), recipe=recipe, seed=0)
    video = tiny.normal(2, 2, 3, 32, 32).tanh()
    loader: DataLoader[Any] = DataLoader([{"video": clip} for clip in video] * 30, batch_size=2)  # type: ignore[arg-type]
    reports = training.Reports()
    trainer = Trainer(
        max_steps=30,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[reports],
    )
    trainer.fit(module, loader)
    assert reports.all[-1]["codec/loss"] < reports.all[0]["codec/loss"]
    module.codec.measure(video)
    latents = module.codec.encode(video)
    torch.testing.assert_close(latents.mean((0, 1, 3, 4)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std((0, 1, 3, 4)), torch.ones(2), atol=1e-3, rtol=0)
    assert module.exports() == {"codec": module.codec}


def test_a_broken_video_moves_neither_the_codec_nor_its_statistics() -> None:
    """Statistics follow the encoder after each step, outside the optimiser."""
    recipe = Recipe(optimizer=partial(torch.optim.AdamW, lr=3e-3), gradient_clip=1.0)
    module, reports = CodecTraining(codec=ToyCodec(channels=2, width=8), recipe=recipe, seed=0), training.Reports()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    loader: DataLoader[Any] = DataLoader([{"video": torch.full((2, 3, 32, 32), torch.nan)}], batch_size=1)  # type: ignore[arg-type]
    trainer = Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[reports],
    )
    trainer.fit(module, loader)
    assert trainer.global_step == reports.all[0]["codec/skipped"] == 1
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_codec_is_not_split() -> None:
    recipe = Recipe(optimizer=partial(torch.optim.AdamW, lr=3e-3), gradient_clip=1.0)
    module = CodecTraining(codec=ToyCodec(channels=2, width=8), recipe=recipe, seed=0)
    module.configure_model()
    module._device_mesh = object()  # type: ignore[assignment]
    with pytest.raises(
        ValueError, match=r"codec of the toy world is not split; allowed: trainer=default or trainer=ddp"
    ):
        module.configure_model()
