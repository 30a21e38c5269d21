"""No reward is a reward."""

from collections.abc import Sequence

import torch

from reward_forcing.shapes import Latents, Rewards


class NoReward:
    """All samples are equally good: zero."""

    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """Zeros, one a sample.

        Raises:
            ValueError: not one prompt a sample.
        """
        if len(prompts) != len(clean):
            raise ValueError(f"rewards.none: {len(prompts)} prompts for {len(clean)} samples; one a sample is needed")
        return clean.new_zeros(len(clean))

    def to(self, device: torch.device | str, /) -> "NoReward":  # noqa: ARG002
        """Itself: zeros are made where the samples are."""
        return self
