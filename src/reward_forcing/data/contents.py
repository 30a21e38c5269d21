"""What a batch is made of: latent clips, pixel clips, trajectories of a teacher, or prompts alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
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


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Latent clips: `latents` (fp32), their loss weights `emphasis`, and `prompts`.

    Args:
        source: of shards with `latents.npy`, `caption.txt` and perhaps `emphasis.npy`.
        frames: of a random stretch of each clip; None: the whole clip.
        sprite_gain: extra loss weight where the emphasis in the shards is 1; weights average 1 over a clip.

    Raises:
        ValueError: a number is out of range.
    """

    source: ShardSource
    frames: int | None = None
    sprite_gain: float = 0.0

    def __post_init__(self) -> None:
        _require_frames(self.frames)
        if self.sprite_gain < 0:
            raise ValueError(f"data.content.sprite_gain is {self.sprite_gain}; it must not be negative")

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
        """Latents [batch, frame, channel, height, width], weights [batch, frame, 1, height, width], prompts."""
        rows = [stretch(self.shards, "latents.npy", pick, self.frames) for pick in picks]
        latents = _stacked(picks, rows, lambda clip, cut: self.shards.array(clip, "latents.npy", cut)).float()
        near = torch.zeros_like(latents[:, :, :1])
        if self.shards.has("emphasis.npy"):
            near = _stacked(picks, rows, lambda clip, cut: self.shards.array(clip, "emphasis.npy", cut)).float()
        prompts = [self.shards.text(pick.item) for pick in picks]
        return {"latents": latents, "emphasis": weights(near, self.sprite_gain), "prompts": prompts}


@dataclass(frozen=True, kw_only=True)
class Videos:
    """Pixel clips: `video` in [-1, 1]. Arguments and errors as for Clips; the shards need `video.npy` only."""

    source: ShardSource
    frames: int | None = None

    def __post_init__(self) -> None:
        _require_frames(self.frames)

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
        """Video [batch, frame, 3, height, width]."""
        rows = [stretch(self.shards, "video.npy", pick, self.frames) for pick in picks]
        return {"video": to_float(_stacked(picks, rows, lambda clip, cut: self.shards.array(clip, "video.npy", cut)))}


@dataclass(frozen=True)
class Pairs:
    """Trajectories of a teacher's sampler, from noise to clean.

    `states` [batch, level, frame, channel, height, width] and `prompts`.

    Args:
        source: of shards with `states.npy` and `caption.txt`.
    """

    source: ShardSource

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
        """States in fp32, and prompts."""
        states = torch.from_numpy(np.stack([self.shards.array(pick.item, "states.npy") for pick in picks]))
        return {"states": states.float(), "prompts": [self.shards.text(pick.item) for pick in picks]}


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


def _stacked(picks: Sequence[Pick], rows: Sequence[slice], read: Callable[[int, slice], NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack([read(pick.item, cut) for pick, cut in zip(picks, rows, strict=True)]))


def _require_frames(frames: int | None) -> None:
    if frames is not None and frames < 1:
        raise ValueError(f"data.content.frames is {frames}; it must be at least 1, or null for whole clips")
