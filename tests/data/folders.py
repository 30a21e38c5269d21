"""Small folders of shards for tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.data.contents import Content, Prompts, clips, pairs, videos
from reward_forcing.data.manifest import Manifest
from reward_forcing.data.shards import ShardSource
from reward_forcing.data.toy import ToyClips
from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.toy.world import WorldConfig


def numbered(numbers: range) -> Iterator[Sample]:
    """Sample n holds n everywhere, plus a hundredth of the row."""
    for number in numbers:
        rows = number + np.arange(5, dtype=np.float32)[:, None] / 100
        array = np.broadcast_to(rows, (5, 3)).astype(np.float32)
        yield {
            "latents.npy": array,
            "caption.txt": f"clip {number} ü",
            "state.json": {"number": number, "third": 1 / 3},
        }


def write(folder: Path, clips: int = 7, clips_per_shard: int = 3) -> Manifest:
    return write_shards(folder, numbered, clips=clips, origin={"kind": "numbers"}, clips_per_shard=clips_per_shard)


def codec(seed: int = 0) -> ToyCodec:
    torch.manual_seed(seed)
    return ToyCodec(channels=2, width=8).eval()


def toy_clips(*, clips: int = 5, encoded: bool = True, pixels: bool = True, seed: int = 3) -> ToyClips:
    return ToyClips(
        world=WorldConfig(), clips=clips, frames=4, seed=seed, codec=codec() if encoded else None, pixels=pixels
    )


def contents(source: ShardSource) -> dict[str, Content]:
    """One of every kind of content, all of the same shards."""
    return {
        "clips": clips(source=source, frames=2, sprite_gain=1.0),
        "videos": videos(source=source, frames=2),
        "pairs": pairs(source=source),
        "prompts": Prompts(tuple(f"prompt {number}" for number in range(5))),
    }


def everything(numbers: range) -> Iterator[Sample]:
    """Samples with every field that a content may read."""
    for number in numbers:
        random = np.random.default_rng(number)
        yield {
            "latents.npy": random.normal(size=(4, 2, 3, 3)).astype(np.float16),
            "video.npy": random.integers(0, 256, (4, 3, 8, 8)).astype(np.uint8),
            "states.npy": random.normal(size=(3, 4, 2, 3, 3)).astype(np.float16),
            "caption.txt": f"clip {number}",
        }
