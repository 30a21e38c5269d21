"""What a batch is made of: latent clips, pixel clips, trajectories of a teacher, or prompts alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.data.order import Pick
from reward_forcing.data.shards import Shards, ShardSource
from reward_forcing.seeding import generator
from reward_forcing.videos import to_float

Batch: TypeAlias = dict[str, Any]
"""Tensors and lists by name, one entry an item."""


@runtime_checkable
class Content(Protocol):
    """Something to train on."""

    def prepare(self) -> None:
        """Make what is missing on disk; called once a machine."""
        ...

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def batch(self, picks: Sequence[Pick]) -> Batch:
        """These items as a batch."""
        ...


@dataclass(frozen=True)
class ShardContent:
    """Batches read from shards; `clips`, `videos` and `pairs` make them.

    Args:
        source: of the shards.
        read: makes a batch of picks from shards.
    """

    source: ShardSource
    read: Callable[[Shards, Sequence[Pick]], Batch]

    @cached_property
    def shards(self) -> Shards:
        """The opened shards."""
        return Shards(self.source.folder)

    def prepare(self) -> None:
        """Make missing shards."""
        self.source.prepare()

    def __len__(self) -> int:
        return len(self.shards)

    def batch(self, picks: Sequence[Pick]) -> Batch:
        """What `read` makes of these items. Raises ValueError when the shards lack a field or are damaged."""
        return self.read(self.shards, picks)


def clips(*, source: ShardSource, frames: int | None = None, sprite_gain: float = 0.0) -> ShardContent:
    """Latent clips: `latents` (fp32), their loss weights `emphasis`, and `prompts`.

    Args:
        source: of shards with `latents.npy`, `caption.txt` and perhaps `emphasis.npy`.
        frames: of a random stretch of each clip; None: the whole clip.
        sprite_gain: extra loss weight where the emphasis in the shards is 1; weights average 1 over a clip.

    Raises:
        ValueError: a number is out of range.
    """
    _require_frames(frames)
    if sprite_gain < 0:
        raise ValueError(f"data.content.sprite_gain is {sprite_gain}; it must not be negative")
    return ShardContent(source, partial(read_clips, frames=frames, gain=sprite_gain))


def videos(*, source: ShardSource, frames: int | None = None) -> ShardContent:
    """Pixel clips: `video` in [-1, 1]. Arguments and errors as for clips; the shards need `video.npy` only."""
    _require_frames(frames)
    return ShardContent(source, partial(read_videos, frames=frames))


def pairs(*, source: ShardSource) -> ShardContent:
    """Trajectories of a teacher's sampler, from noise to clean: `states` and `prompts`.

    Args:
        source: of shards with `states.npy` and `caption.txt`.
    """
    return ShardContent(source, read_pairs)


def read_clips(shards: Shards, picks: Sequence[Pick], *, frames: int | None, gain: float) -> Batch:
    """Latents [batch, frame, channel, height, width], weights [batch, frame, 1, height, width], prompts."""
    latents = _cut(shards, "latents.npy", picks, frames).float()
    near = torch.zeros_like(latents[:, :, :1])
    if shards.has("emphasis.npy"):
        near = _cut(shards, "emphasis.npy", picks, frames).float()
    return {"latents": latents, "emphasis": weights(near, gain), "prompts": _captions(shards, picks)}


def read_videos(shards: Shards, picks: Sequence[Pick], *, frames: int | None) -> Batch:
    """Video [batch, frame, 3, height, width]."""
    return {"video": to_float(_cut(shards, "video.npy", picks, frames))}


def read_pairs(shards: Shards, picks: Sequence[Pick]) -> Batch:
    """States [batch, level, frame, channel, height, width] in fp32, and prompts."""
    return {"states": _cut(shards, "states.npy", picks, None).float(), "prompts": _captions(shards, picks)}


@dataclass(frozen=True)
class Prompts:
    """Prompts alone: `prompts`. Raises ValueError when there are none."""

    prompts: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.prompts:
            raise ValueError("data.content.prompts is empty; at least one prompt is needed")

    def prepare(self) -> None:
        """Nothing is missing."""

    def __len__(self) -> int:
        return len(self.prompts)

    def batch(self, picks: Sequence[Pick]) -> Batch:
        """The prompts."""
        return {"prompts": [self.prompts[pick.item] for pick in picks]}


def weights(
    near: Float[Tensor, "batch frame 1 height width"], gain: float
) -> Float[Tensor, "batch frame 1 height width"]:
    """Loss weights `1 + gain near`, scaled to average 1 over every clip: the gain leaves the loss's scale alone."""
    raw = 1 + gain * near
    return raw / raw.mean((1, 2, 3, 4), keepdim=True)


def stretch(shards: Shards, field: str, pick: Pick, frames: int | None) -> slice:
    """Which frames of a clip: all, or a random stretch that depends on the pick alone.

    Raises:
        ValueError: the clips lack the field or are too short.
    """
    shards.require(field)
    length = shards.manifest.fields[field].shape[0]
    if frames is None:
        return slice(0, length)
    if frames > length:
        raise ValueError(f"data.content.frames is {frames}; the clips of {shards.folder} have {length}")
    start = int(torch.randint(length - frames + 1, (), generator=generator(*pick.key, "stretch")))
    return slice(start, start + frames)


def _cut(shards: Shards, field: str, picks: Sequence[Pick], frames: int | None) -> Tensor:
    """The stretches of a field that picks ask for, one row each."""
    rows = [shards.array(pick.item, field, stretch(shards, field, pick, frames)) for pick in picks]
    return torch.from_numpy(np.stack(rows))


def _captions(shards: Shards, picks: Sequence[Pick]) -> list[str]:
    return [shards.text(pick.item) for pick in picks]


def _require_frames(frames: int | None) -> None:
    if frames is not None and frames < 1:
        raise ValueError(f"data.content.frames is {frames}; it must be at least 1, or null for whole clips")
