"""A tiny convolutional autoencoder for 32 x 32 videos: every frame on its own becomes 8 x 8 latents."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from reward_forcing.shapes import Latents, Video

LATENT_PENALTY: Final = 1e-3  # keeps the raw latents near zero, so that the noise below means something
ABSOLUTE_ERROR: Final = 0.1  # weight of L1, for crisp edges

TOGETHER: Final = 48
"""Images that go through layers at once: what they become fits into the caches of a CPU."""


class ToyCodec(nn.Module):
    """Encoder and decoder, with the raw latents' statistics as buffers: `encode` normalises, `decode` undoes it.

    Args:
        channels: latent channels.
        width: features of the widest layers.
        noise: standard deviation of what training adds to raw latents, so that small latent errors stay harmless.
    """

    def __init__(self, channels: int = 6, width: int = 48, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise
        self.sizes = {"channels": channels, "width": width, "noise": noise}
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width // 2, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width // 2, width, 4, stride=2, padding=1),
            nn.SiLU(),
            _Residual(width),
            nn.Conv2d(width, channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            _Residual(width),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            nn.Conv2d(width // 2, 4 * (width // 2), 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            nn.Conv2d(width // 2, 3, 3, padding=1),
        )
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    mean: Tensor
    std: Tensor

    def encode(self, video: Video) -> Latents:
        """Normalised latents [batch, frame, channel, 8, 8] of a video in [-1, 1]."""
        raw = _framewise(self.encoder, video)
        return (raw - _over_channels(self.mean)) / _over_channels(self.std)

    def encode_parts(self, parts: Iterator[Video]) -> Iterator[Latents]:
        """The latents of a video that comes in parts; frames do not depend on one another."""
        return map(self.encode, parts)

    def decode(self, latents: Latents) -> Video:
        """The video, not clamped, of normalised latents."""
        return _framewise(self.decoder, latents * _over_channels(self.std) + _over_channels(self.mean))

    def decode_next(self, latents: Latents, past: None = None) -> tuple[Video, None]:
        """The video of the next latents of a stream; frames do not depend on one another."""
        return self.decode(latents), past

    def video_frames(self, frames: int) -> int:
        """One for each latent frame."""
        return frames

    @torch.no_grad()
    def measure(self, video: Video, decay: float = 0.0) -> None:
        """Move the latents' mean and deviation per channel to those of a video, `decay` of the old remaining."""
        raw = _framewise(self.encoder, video)
        self.mean.lerp_(raw.mean((0, 1, 3, 4)), 1 - decay)
        self.std.lerp_(raw.std((0, 1, 3, 4)), 1 - decay)


def reconstruction_loss(
    codec: ToyCodec, frames: Float[Tensor, "image 3 height width"], rng: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """What a codec in training minimises: error of decoding noisy raw latents, plus a small penalty on latents."""
    raw = codec.encoder(frames)
    noise = torch.randn(raw.shape, generator=rng, device=raw.device, dtype=raw.dtype)
    decoded = codec.decoder(raw + codec.noise * noise)
    error = functional.mse_loss(decoded, frames) + ABSOLUTE_ERROR * functional.l1_loss(decoded, frames)
    loss: Tensor = error + LATENT_PENALTY * raw.square().mean()
    return loss


def save_codec(path: str | Path, codec: ToyCodec, notes: Mapping[str, str] | None = None) -> None:
    """Export a codec with its sizes and any notes; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.partial")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in codec.state_dict().items()}
    save_file(state, aside, {**(notes or {}), "codec": json.dumps(codec.sizes)})
    aside.replace(path)


def load_codec(path: str | Path) -> ToyCodec:
    """Build the codec a file was exported from, frozen.

    Raises:
        ValueError: there is no such file, or it is no export of a toy codec.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"codec: {path} is not a file; give the path of a .safetensors export of a toy codec")
    try:
        with safe_open(path, "pt") as opened:
            notes = opened.metadata() or {}
        if "codec" not in notes:
            raise ValueError(f"codec: {path} has no 'codec' entry in its metadata; it is not an export of a toy codec")
        codec = ToyCodec(**json.loads(notes["codec"]))
        codec.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"codec: {path} cannot be read as a toy codec ({error})") from error
    return codec.requires_grad_(requires_grad=False).eval()


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.body(x)
        return x + changed


def _framewise(layers: Callable[[Tensor], Tensor], clip: Tensor) -> Tensor:
    """Apply image layers to every frame of [batch, frame, ...]."""
    images = clip.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # a CPU is faster so, and some at a time
    frames = torch.cat([layers(some).contiguous() for some in images.split(TOGETHER)])
    return frames.view(*clip.shape[:2], *frames.shape[1:])


def _over_channels(statistic: Tensor) -> Tensor:
    return statistic[:, None, None]
