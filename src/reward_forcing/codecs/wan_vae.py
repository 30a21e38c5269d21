"""The Wan2.1 video autoencoder (diffusers' AutoencoderKLWan), whole clips or streams.

Wan's layers are causal in time and keep the last frames of what went through them; here these frames are a value that
goes in and comes out, so that any number of streams of any batch can be decoded side by side.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

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

    def encode_parts(self, parts: Iterator[Video]) -> Iterator[Latents]:
        """The latents of a video that comes in parts of 1 + 4 n, 4 n, 4 n ... frames. Errors as of `encode_next`."""
        past: Past | None = None
        for video in parts:
            latents, past = self.encode_next(video, past)
            yield latents

    def encode_next(self, video: Video, past: Past | None = None) -> tuple[Latents, Past]:
        """Latents of the next frames of a stream: 1 + 4 n where it begins, 4 n later; any such parts give the whole's.

        Raises:
            ValueError: another number of frames, rows or columns that are no multiples of 8, or another stream's past.
        """
        first = int(past is None)
        if video.shape[1] % STRIDE != first or not video.shape[1] or any(size % SCALE for size in video.shape[-2:]):
            height, width = video.shape[-2:]
            raise ValueError(
                f"codec: the next part of the stream is {video.shape[1]} frames of {height} x {width}; allowed: "
                f"{'1 + ' * first}{STRIDE} n frames, rows and columns in multiples of {SCALE}"
            )
        frames = self._inside(video)
        groups = [frames[:, :, :first], *frames[:, :, first:].split(STRIDE, 2)]
        groups = [group for group in groups if group.shape[2]]
        encoded, past = self._walk(self.vae.encoder, groups, past)
        mean = torch.cat([self.vae.quant_conv(moments).chunk(2, 1)[0] for moments in encoded], 2).float()
        return ((mean - self.mean) / self.std).transpose(1, 2), past

    def decode(self, latents: Latents) -> Video:
        """The video of a whole clip, within [-1, 1]: one frame for the first latent frame, four for each other."""
        return self.decode_next(latents)[0]

    def decode_next(self, latents: Latents, past: Past | None = None) -> tuple[Video, Past]:
        """The video of the next latent frames; chunks of any sizes give exactly what the whole clip would.

        Raises:
            ValueError: there are none, or the past is another stream's.
        """
        if not latents.shape[1]:
            raise ValueError("codec: there are no latent frames to decode; allowed: 1 or more")
        raw = self._inside(latents, lambda z: z * self.std + self.mean).split(1, 2)
        first = {"first_chunk": True} if past is None else {}
        decoded, past = self._walk(self.vae.decoder, [self.vae.post_quant_conv(frame) for frame in raw], past, **first)
        return torch.cat(decoded, 2).float().clamp(-1, 1).transpose(1, 2), past

    def video_frames(self, frames: int) -> int:
        """1 + 4 (frames - 1)."""
        return 1 + STRIDE * (frames - 1)

    def _inside(self, clip: Tensor, change: Callable[[Tensor], Tensor] = lambda clip: clip) -> Tensor:
        """Ours to the autoencoder's axes [batch, channel, frame, ...], device and precision."""
        weight = next(self.vae.parameters())
        return change(clip.to(weight.device, torch.float32).transpose(1, 2)).to(weight.dtype)

    def _walk(self, layers: Any, groups: list[Tensor], past: Past | None, **first: bool) -> tuple[list[Tensor], Past]:
        """Send groups of frames through causal layers, one after the other."""
        if past:
            _require_same_stream(past, groups[0])
        features: list[Feature] = list(past.features) if past else [None] * causal_layers(layers)
        outputs = []
        for group in groups:
            outputs.append(layers(group, feat_cache=features, feat_idx=[0], **first))
            first = {}
        return outputs, Past(tuple(features))


def _require_same_stream(past: Past, group: Tensor) -> None:
    """Raise ValueError unless the first layer remembers frames of this batch, channels, height and width."""
    seen = past.features[0]
    known, now = ([*clip.shape[:2], *clip.shape[3:]] for clip in (seen, group) if isinstance(clip, Tensor))
    if known != now:
        raise ValueError(
            f"codec: the past is another stream's: batch, channels, height, width {known}; the next frames are {now}"
        )


def stream_bytes(
    height: int,
    width: int,
    *,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    sizes: Mapping[str, Any] | None = None,
) -> int:
    """Memory of the past of one video being decoded, after its second latent frame and for ever; nothing is computed.

    Args:
        height: of the video, in pixels.
        width: of the video, in pixels.
        dtype: precision the autoencoder computes in.
        sizes: of an AutoencoderKLWan, where they are not Wan2.1's.
    """
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        codec = WanCodec(AutoencoderKLWan(**(sizes or {})).to(getattr(torch, dtype)))
        latents = torch.empty(1, 2, codec.mean.shape[1], height // SCALE, width // SCALE)
        return codec.decode_next(latents)[1].bytes


def causal_layers(layers: nn.Module) -> int:
    """How many layers may remember frames."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

    return sum(isinstance(layer, WanCausalConv3d) for layer in layers.modules())
