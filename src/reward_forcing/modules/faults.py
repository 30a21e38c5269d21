"""Steps that are not taken, since NaN or infinity came up in them: how they are recognised and told about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import torch
from lightning import LightningModule
from torch import Tensor

from reward_forcing.seeding import Key

WATCHED: Final = ("loss", "reward", "gradient_norm")
"""What the names of reported scalars begin with that must be finite."""


@dataclass(frozen=True)
class SkippedStep:
    """What one rank knows of a step that was not taken."""

    step: int
    """Steps completed before it."""
    causes: tuple[str, ...]
    """Names of the means over all ranks that are not finite."""
    keys: tuple[Key, ...]
    """Of the randomness of this rank's micro-batches, to which modules add their seed and what for."""
    reports: tuple[Mapping[str, Tensor], ...]
    """Of this rank's micro-batches, single samples' values where they were reported."""
    gradient_norm: float
    batch: Mapping[str, Any]
    """Of this rank: tensors and lists, one entry a sample."""


@runtime_checkable
class SkipListener(Protocol):
    """A callback that wants to know of skipped steps."""

    def on_skipped_step(self, skipped: SkippedStep) -> None:
        """Called on every rank before the step ends."""


def faults(scalars: Mapping[str, Tensor]) -> list[str]:
    """The watched scalars that are not finite, by name; asks the device once."""
    watched = {name: value.detach() for name, value in scalars.items() if name.startswith(WATCHED)}
    device = scalars["loss"].device
    finite = torch.stack([value.isfinite().to(device) for value in watched.values()])
    return [name for name, good in zip(watched, finite.tolist(), strict=True) if not good]


def announce(module: LightningModule, skipped: SkippedStep) -> None:
    """Tell the callbacks that want to know."""
    callbacks: Sequence[object] = getattr(module.trainer, "callbacks", ())
    for callback in callbacks:
        if isinstance(callback, SkipListener):
            callback.on_skipped_step(skipped)
