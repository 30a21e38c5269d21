"""The simplest motion reward: how much neighbouring frames differ. Flicker games it."""

from collections.abc import Sequence

import torch

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.shapes import Latents, Rewards


class FrameDifference:
    """Mean absolute difference of neighbouring video frames, in units of `scale`, at most 1.

    Args:
        codec: decodes the samples.
        scale: the difference (pixels in [-1, 1]) that earns the full reward of 1.

    Raises:
        ValueError: `scale` is not positive.
    """

    def __init__(self, codec: LatentCodec, scale: float = 0.1) -> None:
        if scale <= 0:
            raise ValueError(f"rewards.frame_difference: scale is {scale}; it must be positive")
        self.codec, self.scale = codec, scale

    def to(self, device: torch.device | str, /) -> "FrameDifference":
        """Itself, with its codec moved."""
        self.codec = self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """Rewards in [0, 1].

        Raises:
            ValueError: not one prompt a sample.
        """
        if len(prompts) != len(clean):
            raise ValueError(
                f"rewards.frame_difference: {len(prompts)} prompts for {len(clean)} samples; one a sample is needed"
            )
        video = self.codec.decode(clean)
        difference = video.diff(dim=1).abs().mean((1, 2, 3, 4))
        return (difference / self.scale).clamp(max=1)
