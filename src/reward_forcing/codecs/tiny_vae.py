"""The tiny autoencoder for Wan latents (TAEHV, public weights `taew2_1`): much faster, a little less faithful.

Layers work on single frames; a memory block also sees its own input of the frame before, which is all a stream has to
remember. Module indices are those of the public weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reward_forcing.codecs.files import read_tensors, require_fit
from reward_forcing.codecs.wan_vae import SCALE, STRIDE
from reward_forcing.shapes import Latents, Video

TRIMMED: Final = STRIDE - 1
"""Video frames that the first latent frame gives too many of: Wan's first one is a single video frame."""

Images = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class TinyPast:
    """Inputs that the memory blocks saw last, and video frames that do not make a latent frame yet."""

    frames: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Memory it takes, however long the stream has been."""
        return sum(frame.nbytes for frame in self.frames)


class MemBlock(nn.Module):
    """A residual block that also sees its input of the frame before."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(2 * features, features), nn.ReLU(), _conv(features, features), nn.ReLU(), _conv(features, features)
        )

    def forward(self, frame: Images, before: Images) -> Images:
        """The frame's features, given the input of the frame before (zeros at the beginning)."""
        changed: Tensor = torch.relu(self.conv(torch.cat([frame, before], 1)) + frame)
        return changed


class TPool(nn.Module):
    """Several frames into one."""

    def __init__(self, features: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.conv = nn.Conv2d(features * frames, features, 1, bias=False)


class TGrow(nn.Module):
    """One frame into several."""

    def __init__(self, features: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.conv = nn.Conv2d(features, features * frames, 1, bias=False)


class Clamp(nn.Module):
    """Softly within [-3, 3]."""

    def forward(self, frame: Images) -> Images:
        """`3 tanh(x / 3)`."""
        return torch.tanh(frame / 3) * 3


class TinyCodec(nn.Module):
    """Encoder and decoder; latents are normalised ones, as networks make them.

    Args:
        channels: of the latents.
        widths: features of the decoder's levels; the encoder has the last one's throughout.
    """

    def __init__(self, channels: int = 16, widths: tuple[int, int, int, int] = (256, 128, 64, 64)) -> None:
        super().__init__()
        width = widths[-1]
        down: list[nn.Module] = [_conv(3, width), nn.ReLU()]
        for frames in (2, 2, 1):
            down += [TPool(width, frames), _conv(width, width, stride=2, bias=False), *_memory(width)]
        self.encoder = nn.Sequential(*down, _conv(width, channels))
        up: list[nn.Module] = [Clamp(), _conv(channels, widths[0]), nn.ReLU()]
        for frames, wide, narrow in zip((1, 2, 2), widths, widths[1:], strict=False):
            up += [*_memory(wide), nn.Upsample(scale_factor=2), TGrow(wide, frames), _conv(wide, narrow, bias=False)]
        self.decoder = nn.Sequential(*up, nn.ReLU(), _conv(width, 3))

    def encode(self, video: Video) -> Latents:
        """Latents of a video; it is filled up to a multiple of 4 frames with its last.

        Raises:
            ValueError: rows or columns are no multiples of 8.
        """
        return torch.cat(list(self.encode_parts(iter([video]))), 1)

    def encode_parts(self, parts: Iterator[Video]) -> Iterator[Latents]:
        """The latents of a video that comes in parts of any sizes, filled up with its last; errors as of `encode`."""
        past, seen, frame = TinyPast(()), 0, None
        for video in parts:
            _require_whole_patches(video)
            made = []
            for frame in self._inside((video + 1) / 2).unbind(1):
                more, past = self._step(self.encoder, frame, past)
                made += more
            seen += video.shape[1]
            if made:
                yield torch.stack(made, 1).float()
        for _ in range(-seen % STRIDE):
            assert frame is not None
            made, past = self._step(self.encoder, frame, past)
        if seen % STRIDE:
            yield torch.stack(made, 1).float()

    def decode(self, latents: Latents) -> Video:
        """The video of a whole clip: one frame for the first latent frame, four for each other."""
        return self.decode_next(latents)[0]

    def decode_next(self, latents: Latents, past: TinyPast | None = None) -> tuple[Video, TinyPast]:
        """The video of the next latent frames; chunks of any sizes give exactly what the whole clip would.

        Raises:
            ValueError: there are none, or the past is another stream's.
        """
        if not latents.shape[1]:
            raise ValueError("codec: there are no latent frames to decode; allowed: 1 or more")
        if past:
            _require_same_stream(past, latents)
        surplus = TRIMMED if past is None else 0
        frames: list[Tensor] = []
        past = past or TinyPast(())
        for frame in self._inside(latents).unbind(1):
            made, past = self._step(self.decoder, frame, past)
            frames += made
        return torch.stack(frames[surplus:], 1).float().clamp(0, 1) * 2 - 1, past

    def video_frames(self, frames: int) -> int:
        """1 + 4 (frames - 1)."""
        return STRIDE * frames - TRIMMED

    def _inside(self, clip: Tensor) -> Tensor:
        weight = next(self.parameters())
        return clip.to(weight.device, weight.dtype)

    def _step(self, layers: nn.Sequential, frame: Images, past: TinyPast) -> tuple[list[Tensor], TinyPast]:
        """Send one frame through; what comes out, if anything yet, and what is remembered."""
        known, fresh, frames = iter(past.frames), [], [frame]
        for layer in layers:
            if isinstance(layer, MemBlock):
                frames, last = _remembering(layer, frames, next(known, None))
                fresh.append(last)
            elif isinstance(layer, TPool):
                frames, waiting = _pooled(layer, frames, next(known, None))
                fresh.append(waiting)
            else:
                frames = [part for frame in frames for part in _framewise(layer, frame)]
        return frames, TinyPast(tuple(fresh))


def _require_whole_patches(video: Video) -> None:
    """Raise ValueError unless rows and columns are multiples of 8."""
    height, width = video.shape[-2:]
    if height % SCALE or width % SCALE:
        raise ValueError(f"codec: the video is {height} x {width}; rows and columns must be multiples of {SCALE}")


def _require_same_stream(past: TinyPast, latents: Latents) -> None:
    """Raise ValueError unless the first memory block remembers a frame of this batch, height and width."""
    known, now = ([len(clip), *clip.shape[-2:]] for clip in (past.frames[0], latents))
    if known != now:
        raise ValueError(
            f"codec: the past is another stream's: batch, height, width {known}; the next frames are {now}"
        )


def _remembering(block: MemBlock, frames: list[Tensor], before: Tensor | None) -> tuple[list[Tensor], Tensor]:
    outputs = []
    for frame in frames:
        outputs.append(block(frame, torch.zeros_like(frame) if before is None or not before.numel() else before))
        before = frame
    return outputs, torch.empty(0) if before is None else before


def _pooled(pool: TPool, frames: list[Tensor], waiting: Tensor | None) -> tuple[list[Tensor], Tensor]:
    """Whole groups pooled, and the frames of one that is not whole, side by side in channels."""
    if waiting is not None and waiting.numel():
        width = pool.conv.out_channels
        frames = [*waiting.split(width, 1), *frames]
    whole = len(frames) // pool.frames * pool.frames
    groups = [torch.cat(frames[at : at + pool.frames], 1) for at in range(0, whole, pool.frames)]
    rest = frames[whole:]
    return [pool.conv(group) for group in groups], torch.cat(rest, 1) if rest else torch.empty(0)


def _framewise(layer: nn.Module, frame: Images) -> tuple[Tensor, ...]:
    if isinstance(layer, TGrow):
        grown: Tensor = layer.conv(frame)
        return grown.chunk(layer.frames, 1)
    return (layer(frame),)


def _conv(features_in: int, features_out: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(features_in, features_out, 3, stride=stride, padding=1, bias=bias)


def _memory(features: int) -> list[nn.Module]:
    return [MemBlock(features) for _ in range(3)]


def load_tiny_codec(path: str | Path, *, dtype: Literal["float32", "bfloat16", "float16"] = "float32") -> TinyCodec:
    """The codec in `taew2_1.pth` or `taew2_1.safetensors`.

    Raises:
        ValueError: there is no such file, or it is not this autoencoder.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"codec: {path} is not there; allowed: taew2_1.pth or taew2_1.safetensors")
    given = read_tensors(path)
    convolutions = [f"decoder.{place}.weight" for place in (1, 8, 14, 20)]
    if not all(name in given for name in convolutions):
        raise ValueError(f"codec: {path} is not the tiny autoencoder of Wan latents; its first is {next(iter(given))}")
    first, *rest = (given[name] for name in convolutions)
    with torch.device("meta"):
        codec = TinyCodec(first.shape[1], (len(first), len(rest[0]), len(rest[1]), len(rest[2])))
    require_fit(codec.state_dict(), given, f"codec: {path}", "TinyCodec")
    codec.load_state_dict(given, assign=True)
    return codec.to(getattr(torch, dtype)).requires_grad_(requires_grad=False).eval()
