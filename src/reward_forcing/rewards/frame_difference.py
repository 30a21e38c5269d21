"""The simplest motion reward: how much neighbouring frames differ. Flicker games it."""

from collections.abc import Sequence

import torch

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded
from reward_forcing.shapes import Latents, Rewards, Video


class FrameDifference:
    """Mean absolute difference of neighbouring video frames, in units of `scale`, at most 1.

    Args:
        codec: decodes the samples; None: another decodes (a weighted sum).
        scale: the difference (pixels in [-1, 1]) that earns the full reward of 1.

    Raises:
        ValueError: `scale` is not positive.
    """

    def __init__(self, codec: LatentCodec | None, scale: float = 0.1) -> None:
        if scale <= 0:
            raise ValueError(f"rewards.frame_difference: scale is {scale}; it must be positive")
        self.codec, self.scale = codec, scale

    def to(self, device: torch.device | str, /) -> "FrameDifference":
        """Itself, with its codec moved."""
        self.codec = self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """Rewards in [0, 1].

        Raises:
            ValueError: not one prompt a sample, or no codec.
        """
        return self.differentiable(clean, prompts)

    def differentiable(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """The same, with gradients through the codec, none beyond the full reward; errors as above."""
        return self._of(decoded(self.codec, clean, prompts, place="rewards.frame_difference"))

    @torch.no_grad()
    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:  # noqa: ARG002
        """Rewards in [0, 1] of pixels; the prompts do not matter."""
        return self._of(video)

    def _of(self, video: Video) -> Rewards:
        difference = video.diff(dim=1).abs().mean((1, 2, 3, 4))
        return (difference / self.scale).clamp(max=1)
