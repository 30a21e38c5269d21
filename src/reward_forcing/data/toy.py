"""Clips of the toy world as shards, rendered when they are first asked for."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.data.manifest import Manifest
from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.toy.render import render, sprite_mask
from reward_forcing.toy.world import States, WorldConfig, sample, trace
from reward_forcing.videos import to_float, to_uint8

CELL: Final = 4  # pixels a side of a latent cell
RENDERED_TOGETHER: Final = 32  # clips; more is not faster and takes more memory


class StatefulCodec(LatentCodec, Protocol):
    """A codec whose weights can be looked at."""

    def state_dict(self) -> dict[str, Any]:
        """Its weights by name."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ToyClips:
    """Which clips: scenes 0 to clips - 1 of world `seed`, `frames` long.

    Args:
        world: how scenes are distributed.
        clips: how many.
        frames: length of each.
        seed: of the scenes.
        codec: encodes them, if latents are wanted.
        pixels: whether the pixels are stored.

    Raises:
        ValueError: a count is not positive, or the seed negative.
    """

    world: WorldConfig
    clips: int
    frames: int
    seed: int
    codec: StatefulCodec | None = None
    pixels: bool = False

    def __post_init__(self) -> None:
        for name, least in (("clips", 1), ("frames", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"toy clips: {name} is {getattr(self, name)}; it must be at least {least}")

    @cached_property
    def origin(self) -> dict[str, Any]:
        """Everything the samples depend on, as JSON; a rendered clip stands for the generator's code."""
        first = to_uint8(render(trace([sample(self.seed, 0, self.world)], 0, self.frames)))
        return {
            "kind": "toy",
            "world": json.loads(json.dumps(asdict(self.world))),
            "seed": self.seed,
            "clips": self.clips,
            "frames": self.frames,
            "pixels": self.pixels,
            "codec": codec_digest(self.codec) if self.codec else None,
            "first_clip": hashlib.sha256(first.numpy().tobytes()).hexdigest()[:16],
        }

    def samples(self, numbers: range) -> Iterator[Sample]:
        """Scenes of these numbers: pixels and latents as asked for, emphasis, caption and state."""
        for start in range(0, len(numbers), RENDERED_TOGETHER):
            scenes = [sample(self.seed, number, self.world) for number in numbers[start : start + RENDERED_TOGETHER]]
            states = trace(scenes, 0, self.frames)
            arrays = {**self._pictures(states), "emphasis.npy": emphasis(states).half().numpy()}
            for index, scene in enumerate(scenes):
                stored = {name: array[index] for name, array in arrays.items()}
                yield {**stored, "caption.txt": scene.caption, "state.json": state_record(states, index)}

    def write(self, folder: Path) -> Manifest:
        """Write the shards, as far as they are missing."""
        return write_shards(folder, self.samples, clips=self.clips, origin=self.origin)

    def _pictures(self, states: States) -> dict[str, np.ndarray]:
        video = to_uint8(render(states))
        pixels = {"video.npy": video.numpy()} if self.pixels else {}
        return pixels if self.codec is None else {**pixels, "latents.npy": encode(self.codec, video)}


@dataclass(frozen=True, eq=False)
class ToyShards:
    """Toy clips as shards, in a folder below `root` that is named by what they depend on: other clips, other folder."""

    root: str
    clips: ToyClips

    @property
    def folder(self) -> Path:
        """Where these clips are, once prepared."""
        origin = json.dumps(self.clips.origin, sort_keys=True)
        return Path(self.root) / f"toy-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"

    def prepare(self) -> None:
        """Render what is missing."""
        self.clips.write(self.folder)


@torch.no_grad()
def encode(codec: LatentCodec, video: Tensor) -> np.ndarray:
    """Latents, fp16, of clips in levels 0 to 255."""
    return codec.encode(to_float(video)).half().numpy()


def emphasis(states: States) -> Float[Tensor, "clip frame 1 row column"]:
    """How near every latent cell is to the sprite: the largest covered share of it and its neighbours, 0 to 1."""
    covered = avg_pool2d(sprite_mask(states), CELL)
    return max_pool2d(covered, 3, stride=1, padding=1)[:, :, None]


def codec_digest(codec: StatefulCodec) -> str:
    """A short name for the codec's weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(codec.state_dict().items()):
        digest.update(name.encode() + weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def state_record(states: States, clip: int) -> dict[str, Any]:
    """The state of one clip as JSON; every number comes back exactly."""
    return {field.name: getattr(states, field.name)[clip].tolist() for field in fields(states)}


def read_states(records: Sequence[Mapping[str, Any]]) -> States:
    """The states of clips from their records."""
    tensors = {field.name: torch.tensor([record[field.name] for record in records]) for field in fields(States)}
    return States(**tensors)
