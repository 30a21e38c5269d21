"""Overrides that make any configured training small, and exports for it to start from."""

from pathlib import Path
from typing import Any

import torch

from reward_forcing.codecs.toy_codec import ToyCodec, save_codec
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import save

SMALL = [
    "geometry.frames=6",
    "memory.window_frames=6",
    "data.batch_size=2",
    "callbacks.sample_videos=null",
    "callbacks.progress=null",
    "callbacks.checkpoints.every=2",
    "trainer.enable_progress_bar=false",
    "trainer.accelerator=cpu",
    "logger=none",
]
SIZES: dict[str, Any] = {
    "channels": 6, "dim": 12, "ffn_dim": 16, "heads": 1, "layers": 1, "text_dim": 18, "freq_dim": 16
}  # fmt: skip
CLIPS = ["data.content.source.clips.clips=8"]
NETWORK = ["networks.dim=12", "networks.ffn_dim=16", "networks.heads=1", "networks.layers=1", "networks.freq_dim=16"]


def write_exports(folder: Path) -> list[str]:
    """Untrained networks as exports, and the overrides that make runs start from them."""
    torch.manual_seed(0)
    save_codec(folder / "codec.safetensors", ToyCodec(channels=6, width=8))
    for name in ("teacher", "initial_student"):
        network = WanTransformer(**SIZES)
        torch.nn.init.normal_(network.head.head.weight, std=0.1)
        save(folder / f"{name}.safetensors", network)
    return sources(folder)


def sources(folder: Path) -> list[str]:
    """The overrides that make runs start from what `write_exports` wrote."""
    return [f"checkpoints.{name}={folder / name}.safetensors" for name in ("codec", "teacher", "initial_student")]


def distillation(folder: Path, *more: str) -> list[str]:
    """Overrides of a small distillation that writes to `folder`; `folder.parent` gets the exports it starts from."""
    return [*SMALL, *write_exports(folder.parent / "exports"), f"run_dir={folder}", "trainer.max_steps=4", *more]
