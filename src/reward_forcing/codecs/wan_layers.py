"""What Wan's causal layers do to the next part of a stream, written for speed; the weights are diffusers' modules'.

Frames are channels-last throughout, [batch, frame, height, width, channel], as convolutions like them, and a norm over
channels reads what lies together. Each convolution's input is written once, behind the frames before it, and what is
remembered is copied once; diffusers joins, pads, clones and joins again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d, linear, pad, rms_norm, scaled_dot_product_attention, silu

Frames: TypeAlias = Float[Tensor, "batch _ _ _ _"]
"""[batch, frame, height, width, channel]; a layer changes all but the first."""

Parts: TypeAlias = Float[Tensor, "batch _ _ _ _ _"]
"""[batch, frame, part, height, width, channel]: frames in parts that follow each other in time."""

REACH: Final = 2
"""Frames before its own that a convolution over three frames sees."""

TINY: Final = 1e-24
"""Keeps the norm of nothing finite."""


@dataclass(frozen=True)
class Past:
    """What the layers of an encoder or decoder remember of a stream: their last input frames, in the layers' order."""

    features: tuple[Frames, ...]

    @property
    def bytes(self) -> int:
        """Memory it takes, however long the stream has been."""
        return sum(feature.nbytes for feature in self.features)


class Passage:
    """One part of a stream on its way through the layers, which ask for what they remember and leave it anew.

    Args:
        past: what the part before left; None: the stream begins.
    """

    def __init__(self, past: Past | None) -> None:
        self.begins = past is None
        self._known = iter(past.features if past else ())
        self._fresh: list[Frames] = []

    @property
    def past(self) -> Past:
        """What the next part needs."""
        return Past(tuple(self._fresh))

    def joined(self, frames: Frames, reach: int = REACH) -> Frames:
        """Frames behind those before them, which are zeros where the stream begins."""
        return self._keep(torch.cat([self._before(frames, reach), frames], 1), reach)

    def activated(self, frames: Frames) -> Frames:
        """SiLU of frames, behind what was that before them."""
        if frames.requires_grad:
            return self.joined(silu(frames))
        batch, count, *rest = frames.shape
        whole = frames.new_empty(batch, REACH + count, *rest)
        whole[:, :REACH] = self._before(frames, REACH)
        torch.ops.aten.silu.out(frames, out=whole[:, REACH:])
        return self._keep(whole, REACH)

    def skip(self, frames: Frames) -> None:
        """Remember nothing but zeros."""
        self._fresh.append(_zeros(frames, REACH))

    def _before(self, frames: Frames, reach: int) -> Frames:
        return _zeros(frames, reach) if self.begins else next(self._known)

    def _keep(self, whole: Frames, reach: int) -> Frames:
        self._fresh.append(whole[:, -reach:].clone())
        return whole


def _zeros(frames: Frames, count: int) -> Frames:
    return frames.new_zeros(frames.shape[0], count, *frames.shape[2:])


def passed(half: Any, frames: Frames, past: Past | None) -> tuple[Frames, Past]:
    """Send the frames of one latent frame through an encoder, or one latent frame through a decoder.

    Args:
        half: diffusers' WanEncoder3d or WanDecoder3d.
        frames: one where the stream begins; later four for the encoder, one for the decoder.
        past: what the call before returned; None: the stream begins.
    """
    passage = Passage(past)
    frames = _convolved(half.conv_in, passage.joined(frames))
    for layer in layers_between(half):
        frames = LAYERS[type(layer).__name__](layer, frames, passage)
    frames = _convolved(half.conv_out, passage.activated(_normed(half.norm_out, frames)))
    return frames, passage.past


def layers_between(half: Any) -> Iterable[nn.Module]:
    """The layers of an encoder or decoder between its first convolution and its last, in their order."""
    middle = half.mid_block
    yield from getattr(half, "down_blocks", ())
    yield from (middle.resnets[0], middle.attentions[0], middle.resnets[1])
    for block in getattr(half, "up_blocks", ()):
        yield from (*block.resnets, *(block.upsamplers or ()))


def residual(block: Any, frames: Frames, passage: Passage) -> Frames:
    """Norm, SiLU and convolution, twice, beside a shortcut."""
    straight = frames if isinstance(block.conv_shortcut, nn.Identity) else pointwise(block.conv_shortcut, frames)
    for norm, convolution in ((block.norm1, block.conv1), (block.norm2, block.conv2)):
        frames = _convolved(convolution, passage.activated(_normed(norm, frames)))
    return frames.add_(straight)


def attended(block: Any, frames: Frames, passage: Passage) -> Frames:  # noqa: ARG001 (it remembers nothing)
    """Attention of each frame's places to one another, with one head."""
    inside = pointwise(block.to_qkv, _normed(block.norm, frames)).flatten(0, 1).flatten(1, 2)
    queries, keys, values = inside[:, None].chunk(3, -1)
    mixed = scaled_dot_product_attention(queries, keys, values).reshape(frames.shape)
    return pointwise(block.proj, mixed).add_(frames)


def resampled(layer: Any, frames: Frames, passage: Passage) -> Frames:
    """Twice or half as many rows and columns, and in a layer of a 3D mode as many frames."""
    longer = layer.mode.endswith("3d")
    if layer.mode.startswith("up"):
        parts = _doubled(layer.time_conv, frames, passage) if longer else frames.unsqueeze(2)
        return _over_images(layer.resample[1], enlarged(parts), padding=1)
    frames = _over_images(layer.resample[1], pad(frames, (0, 0, 0, 1, 0, 1)), stride=2)
    return _halved(layer.time_conv, frames, passage) if longer else frames


LAYERS: Final[Mapping[str, Callable[[Any, Frames, Passage], Frames]]] = {
    "WanResidualBlock": residual,
    "WanAttentionBlock": attended,
    "WanResample": resampled,
}
"""What each of diffusers' layers does."""


def _doubled(convolution: nn.Conv3d, frames: Frames, passage: Passage) -> Parts:
    """Two parts of each frame that follow each other in time; one of the very first, which is a single video frame."""
    if passage.begins:
        passage.skip(frames)
        return frames.unsqueeze(2)
    halves: Parts = _convolved(convolution, passage.joined(frames)).unflatten(-1, (2, -1))
    return halves.movedim(-2, 2)


def _halved(convolution: nn.Conv3d, frames: Frames, passage: Passage) -> Frames:
    """One of two frames, having seen the frame before them; the very first is alone."""
    whole = passage.joined(frames, 1)
    return frames if passage.begins else _convolved(convolution, whole)


def enlarged(parts: Parts) -> Frames:
    """The parts of frames one after the other, each pixel a square of four, in one copy."""
    batch, frames, count, height, width, features = parts.shape
    squares = parts[:, :, :, :, None, :, None].expand(-1, -1, -1, -1, 2, -1, 2, -1)
    return squares.reshape(batch, frames * count, 2 * height, 2 * width, features)


def pointwise(convolution: Any, frames: Frames) -> Frames:
    """A convolution that sees one place: a product."""
    return linear(frames, convolution.weight.flatten(1), convolution.bias)


def _normed(norm: Any, frames: Frames) -> Frames:
    """Over channels, by their root mean square."""
    return rms_norm(frames, frames.shape[-1:], norm.gamma.flatten(), TINY)


def _convolved(convolution: nn.Conv3d, whole: Frames) -> Frames:
    """Over time, where frames before are there already, and space, if the kernel has any, keeping its size."""
    rows, columns = (size // 2 for size in convolution.weight.shape[-2:])
    made = conv3d(
        whole.permute(0, 4, 1, 2, 3), convolution.weight, convolution.bias, convolution.stride, (0, rows, columns)
    )
    return made.permute(0, 2, 3, 4, 1)


def _over_images(convolution: nn.Conv2d, frames: Frames, *, padding: int = 0, stride: int = 1) -> Frames:
    """Frame by frame."""
    images = frames.flatten(0, 1).permute(0, 3, 1, 2)
    made = conv2d(images, convolution.weight, convolution.bias, stride, padding)
    clip: Frames = made.permute(0, 2, 3, 1).unflatten(0, frames.shape[:2])
    return clip
