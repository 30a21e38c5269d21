"""What a loss may know about samples: what was drawn together, how it was judged, and how earlier samples were."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.shapes import Rewards

SMALLEST_DEVIATION = 1e-6
"""Keeps standardised rewards finite when all earlier ones were equal."""


@dataclass(frozen=True)
class History:
    """Running mean and variance of rewards, the newest counting most; `start()` before there are any.

    Args:
        weight: how much is known, from 0 (nothing) to 1.
        mean: of the rewards.
        variance: of the rewards.
    """

    weight: Float[Tensor, ""]
    mean: Float[Tensor, ""]
    variance: Float[Tensor, ""]

    @classmethod
    def start(cls) -> "History":
        """Nothing is known."""
        return cls(*torch.zeros(3).unbind())

    @classmethod
    def unpacked(cls, numbers: Float[Tensor, "3"]) -> "History":
        """From one tensor, as checkpoints hold it."""
        return cls(*numbers.unbind())

    def packed(self) -> Float[Tensor, "3"]:
        """As one tensor."""
        return torch.stack([self.weight, self.mean, self.variance])

    def standardised(self, rewards: Rewards) -> Rewards:
        """Rewards minus the mean, over the deviation; zeros when nothing is known."""
        deviation = self.variance.sqrt().clamp_min(SMALLEST_DEVIATION)
        return torch.where(self.weight > 0, (rewards - self.mean) / deviation, 0.0).to(rewards.dtype)

    def after(self, rewards: Rewards, decay: float) -> "History":
        """With the rewards of one more step, before which all counts fall by `decay`."""
        weight = decay * self.weight + (1 - decay)
        share = (1 - decay) / weight
        change = rewards.mean() - self.mean
        variance = (1 - share) * (self.variance + share * change.square()) + share * rewards.var(unbiased=False)
        return History(weight, self.mean + share * change, variance)


@dataclass(frozen=True)
class Samples:
    """The samples of one micro-batch on all ranks; a rank's own are a stretch of them.

    Args:
        rewards: of all samples, detached.
        sigma: the noise level at which each is compared, averaged over frames.
        prompts: what each was made from; equal prompts are a group.
        history: of the rewards of earlier steps.
        own: which samples are this rank's; None: all.
    """

    rewards: Rewards
    sigma: Rewards
    prompts: tuple[str, ...]
    history: History
    own: slice | None = None

    def __post_init__(self) -> None:
        assert len(self.prompts) == len(self.rewards)

    def __len__(self) -> int:
        return len(self.prompts)

    def mine(self, values: Any) -> Any:
        """This rank's part of values of all samples."""
        return values if self.own is None else values[self.own]

    def same_prompt(self) -> Float[Tensor, "batch batch"]:
        """1 where two samples have the same prompt, else 0."""
        numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(self.prompts))}
        group = torch.tensor([numbers[prompt] for prompt in self.prompts], device=self.rewards.device)
        return (group[:, None] == group[None, :]).to(self.rewards.dtype)
