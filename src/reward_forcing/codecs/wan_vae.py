"""The Wan2.1 video autoencoder (diffusers' AutoencoderKLWan), whole clips or streams.

Wan's layers are causal in time and keep the last frames of what went through them; here these frames are a value that
goes in and comes out, so that any number of streams of any batch can be decoded side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from reward_forcing.shapes import Latents, Video

STRIDE: Final = 4
"""Video frames of every latent frame but the first, which is one video frame."""

SCALE: Final = 8
"""Rows and columns of pixels of a latent."""

Feature: TypeAlias = Tensor | str | None
"""What one causal layer remembers: frames; that a first frame went by without any; nothing yet."""


@dataclass(frozen=True)
class Past:
    """What the layers of an encoder or decoder remember of a stream."""

    features: tuple[Feature, ...]

    @property
    def bytes(self) -> int:
        """Memory it takes, however long the stream has been."""
        return sum(feature.nbytes for feature in self.features if isinstance(feature, Tensor))


class WanCodec(nn.Module):
    """Latents are the posterior mean, normalised by the published mean and deviation of each channel.

    Args:
        vae: diffusers' AutoencoderKLWan; its config holds mean and deviation.
    """

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae: Any = vae
        config: Any = vae.config
        for name, values in (("mean", config.latents_mean), ("std", config.latents_std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def encode(self, video: Video) -> Latents:
        """Latents of 1 + 4 n video frames.

        Raises:
            ValueError: the frames are not 1 + 4 n, or rows or columns are no multiples of 8.
        """
        if video.shape[1] % STRIDE != 1:
            raise ValueError(f"codec: the clip has {video.shape[1]} frames; Wan takes 1 + {STRIDE} n: 1, 5, 9, ...")
        return self.encode_next(video)[0]

    def encode_next(self, video: Video, past: Past | None = None) -> tuple[Latents, Past]:
        """Latents of the next frames of a stream: 1 + 4 n where it begins, 4 n later.

        Raises:
            ValueError: another number of frames, or rows or columns that are no multiples of 8.
        """
        first = int(past is None)
        if video.shape[1] % STRIDE != first or any(size % SCALE for size in video.shape[-2:]):
            height, width = video.shape[-2:]
            raise ValueError(
                f"codec: the next part of the stream is {video.shape[1]} frames of {height} x {width}; allowed: "
                f"{'1 + ' * first}{STRIDE} n frames, rows and columns in multiples of {SCALE}"
            )
        frames = self._inside(video)
        groups = [frames[:, :, :first], *frames[:, :, first:].split(STRIDE, 2)]
        groups = [group for group in groups if group.shape[2]]
        moments, past = self._walk(self.vae.encoder, groups, past)
        mean = self.vae.quant_conv(moments).chunk(2, 1)[0].float()
        return ((mean - self.mean) / self.std).transpose(1, 2), past

    def decode(self, latents: Latents) -> Video:
        """The video of a whole clip, within [-1, 1]: one frame for the first latent frame, four for each other."""
        return self.decode_next(latents)[0]

    def decode_next(self, latents: Latents, past: Past | None = None) -> tuple[Video, Past]:
        """The video of the next latent frames; chunks of any sizes give what the whole clip would."""
        raw = self._inside(latents, lambda z: z * self.std + self.mean).split(1, 2)
        first = {"first_chunk": True} if past is None else {}
        pixels, past = self._walk(self.vae.decoder, [self.vae.post_quant_conv(frame) for frame in raw], past, **first)
        return pixels.float().clamp(-1, 1).transpose(1, 2), past

    def video_frames(self, frames: int) -> int:
        """1 + 4 (frames - 1)."""
        return 1 + STRIDE * (frames - 1)

    def _inside(self, clip: Tensor, change: Callable[[Tensor], Tensor] = lambda clip: clip) -> Tensor:
        """Ours to the autoencoder's axes [batch, channel, frame, ...], device and precision."""
        weight = next(self.vae.parameters())
        return change(clip.to(weight.device, torch.float32).transpose(1, 2)).to(weight.dtype)

    def _walk(self, layers: Any, groups: list[Tensor], past: Past | None, **first: bool) -> tuple[Tensor, Past]:
        """Send groups of frames through causal layers, one after the other."""
        features: list[Feature] = list(past.features) if past else [None] * causal_layers(layers)
        outputs = []
        for group in groups:
            outputs.append(layers(group, feat_cache=features, feat_idx=[0], **first))
            first = {}
        return torch.cat(outputs, 2), Past(tuple(features))


def causal_layers(layers: nn.Module) -> int:
    """How many layers may remember frames."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

    return sum(isinstance(layer, WanCausalConv3d) for layer in layers.modules())
