"""The Wan2.1 video autoencoder (diffusers' AutoencoderKLWan), whole clips or streams.

Wan's layers are causal in time and keep the last frames of what went through them; here these frames are a value that
goes in and comes out, so that any number of streams of any batch can be decoded side by side.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from reward_forcing.codecs.wan_layers import Frames, Past, passed, pointwise
from reward_forcing.shapes import Latents, Video

STRIDE: Final = 4
"""Video frames of every latent frame but the first, which is one video frame."""

SCALE: Final = 8
"""Rows and columns of pixels of a latent."""


class WanCodec(nn.Module):
    """Latents are the posterior mean, normalised by the published mean and deviation of each channel.

    Args:
        vae: diffusers' AutoencoderKLWan; its config holds mean and deviation.

    Raises:
        ValueError: it is not built as Wan2.1's.
    """

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae: Any = vae
        config: Any = vae.config
        for name, wanted in (("is_residual", False), ("patch_size", None)):
            if config[name] != wanted:
                raise ValueError(f"codec: {name} is {config[name]}; allowed: that of Wan2.1's autoencoder, {wanted}")
        for name, values in (("mean", config.latents_mean), ("std", config.latents_std)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

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
        groups = [frames[:, :first], *frames[:, first:].split(STRIDE, 1)]
        moments, past = self._walk(self.vae.encoder, [group for group in groups if group.shape[1]], past)
        mean = torch.cat([pointwise(self.vae.quant_conv, each).chunk(2, -1)[0] for each in moments], 1).float()
        return ((mean - self.mean) / self.std).permute(0, 1, 4, 2, 3), past

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
        raw = self._inside(latents, lambda clean: clean * self.std + self.mean).split(1, 1)
        groups = [pointwise(self.vae.post_quant_conv, frame) for frame in raw]
        decoded, past = self._walk(self.vae.decoder, groups, past)
        return torch.cat(decoded, 1).float().clamp(-1, 1).permute(0, 1, 4, 2, 3), past

    def video_frames(self, frames: int) -> int:
        """1 + 4 (frames - 1)."""
        return 1 + STRIDE * (frames - 1)

    def _inside(self, clip: Tensor, change: Callable[[Frames], Frames] = lambda clip: clip) -> Frames:
        """Ours to the layers' axes, and the autoencoder's device and precision."""
        weight = next(self.vae.parameters())
        return change(clip.to(weight.device, torch.float32).permute(0, 1, 3, 4, 2)).to(weight.dtype)

    def _walk(self, half: Any, groups: list[Frames], past: Past | None) -> tuple[list[Frames], Past]:
        """Send groups of frames through causal layers, one after the other."""
        if past:
            _require_same_stream(past, groups[0])
        outputs = []
        for group in groups:
            made, past = passed(half, group, past)
            outputs.append(made)
        assert past
        return outputs, past


def _require_same_stream(past: Past, group: Frames) -> None:
    """Raise ValueError unless the first layer remembers frames of this batch, channels, height and width."""
    known, now = ([len(clip), clip.shape[-1], *clip.shape[2:4]] for clip in (past.features[0], group))
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
        latents = torch.empty(1, 2, len(codec.mean), height // SCALE, width // SCALE)
        return codec.decode_next(latents)[1].bytes
