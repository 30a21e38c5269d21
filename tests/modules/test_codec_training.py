from functools import partial
from typing import Any

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
