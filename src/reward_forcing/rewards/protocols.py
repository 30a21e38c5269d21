"""What a reward model is."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch

from reward_forcing.shapes import Latents, Rewards, Video


@runtime_checkable
class RewardModel(Protocol):
    """Judges finished samples. Calling it is never part of a gradient; it decodes to pixels itself if it needs to."""

    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """One number a sample, higher is better."""
        ...

    def to(self, device: torch.device | str, /) -> "RewardModel":
        """The same judge, computing there."""
        ...


@runtime_checkable
class PixelReward(RewardModel, Protocol):
    """Judges pixels, so that several can share what was decoded once."""

    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:
        """One number a video, higher is better."""
        ...


@runtime_checkable
class DifferentiableReward(RewardModel, Protocol):
    """Can also be climbed: for losses that own a reward and follow its gradient."""

    def differentiable(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """One number a sample, with gradients to the samples."""
        ...


@runtime_checkable
class PartedReward(RewardModel, Protocol):
    """Made of parts that are worth a log each."""

    def parts(self, clean: Latents, prompts: Sequence[str]) -> dict[str, Rewards]:
        """Every part's own rewards."""
        ...

    def total(self, parts: Mapping[str, Rewards]) -> Rewards:
        """The rewards, from the parts."""
        ...
