"""MUSIQ: how good single frames look, by a transformer that sees them at three sizes (Ke et al., ICCV 2021).

Reads `musiq_spaq_ckpt-358bb6af.pth` (27.1 M parameters, trained on SPAQ) as IQA-PyTorch publishes it; VBench's imaging
quality is its mean over frames.

The reference pads the two smaller views with masked patches up to a fixed number; nothing ever looks at these, so they
are left out here.

Agreement with pyiqa 0.1.10 on equal random weights of the public sizes (26 Nov 2026, torch 2.15, CPU): in fp64 within
1e-13; in fp32, over seven sizes of frames, within 2e-6 at scores of up to 0.9, and within 2e-4 where wild weights
magnify rounding. The preprocessing is bit-identical to VBench 0.1.5's mode "longer".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, interpolate, max_pool2d, pad, relu, unfold

from evaluation.networks.attention import attend
from evaluation.networks.files import load_network

GROUPS: Final = 32
LONGEST: Final = 512
"""VBench shrinks frames to this longer side."""


def load_musiq(path: str | Path, **sizes: Any) -> "Musiq":
    """The network in `musiq_spaq_ckpt-358bb6af.pth`.

    Args:
        path: of the file.
        sizes: of Musiq, where they are not the public ones.

    Raises:
        ValueError: there is no such file, or it holds something else (it has the first name or shape that differs).
    """
    return load_network(lambda: Musiq(**sizes), path, "musiq", inside=("params", "state_dict"))


@torch.no_grad()
def imaging_scores(
    network: "Musiq", frames: UInt8[Tensor, "frame 3 height width"], *, batch: int = 8
) -> Float[Tensor, " frame"]:
    """The quality of each frame, 0 to 100, with VBench's preprocessing.

    Args:
        network: on any device; frames follow in batches, scores stay there.
        frames: RGB.
        batch: frames seen together.

    Raises:
        ValueError: a frame is so long and thin that a view of it would have no pixels.
    """
    device = network.head.weight.device
    return torch.cat([network(prepared(part.to(device))) for part in frames.split(batch)])


def prepared(frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame 3 new_height new_width"]:
    """Frames in [0, 1], shrunk so that the longer side is at most 512 (bilinear, no antialias, sides cut)."""
    height, width = frames.shape[-2:]
    pixels, scale = frames.float(), LONGEST / max(height, width)
    if scale < 1:
        size = [int(scale * height), int(scale * width)]
        pixels = interpolate(pixels, size, mode="bilinear", align_corners=False)
    return pixels / 255


def view_size(height: int, width: int, longer_side: int) -> tuple[int, int]:
    """The size of a frame whose longer side is scaled to a length.

    >>> view_size(295, 512, 224)
    (129, 224)

    Raises:
        ValueError: nothing would be left of the shorter side.
    """
    ratio = longer_side / max(height, width)
    size = round(height * ratio), round(width * ratio)
    if not min(size):
        raise ValueError(
            f"musiq: frames of {height} x {width} have no pixels left at {longer_side}; "
            f"allowed: up to {2 * longer_side - 1} times as long as wide"
        )
    return size


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, so that a convolution gives length / stride, rounded up (TensorFlow's SAME).

    >>> same_padding(32, 7, 2), same_padding(129, 32, 32)
    ((2, 3), (15, 16))
    """
    total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
    return total // 2, total - total // 2


def padded(
    images: Float[Tensor, "image channel height width"], kernel: int, stride: int
) -> Float[Tensor, "image channel new_height new_width"]:
    """Images with the zeros of `same_padding` around them."""
    height, width = images.shape[-2:]
    return pad(images, (*same_padding(width, kernel, stride), *same_padding(height, kernel, stride)))


def patches_of(
    images: Float[Tensor, "image 3 height width"], patch: int
) -> Float[Tensor, "image place 3 {patch} {patch}"]:
    """Images cut into squares, row by row; zeros around them make them fit."""
    columns = unfold(padded(images, patch, patch), patch, stride=patch)
    squares: Tensor = columns.transpose(1, 2).unflatten(2, (3, patch, patch))
    return squares


def hashed_places(rows: int, columns: int, grid: int) -> Int[Tensor, " place"]:
    """Where each of rows x columns patches lies in a grid x grid table that is stretched over the frame (nearest).

    >>> hashed_places(2, 3, grid=10).tolist()
    [0, 3, 6, 50, 53, 56]
    """
    row, column = (torch.arange(count) * grid // count for count in (rows, columns))
    return (row[:, None] * grid + column).flatten()


class Musiq(nn.Module):
    """Scores frames: patches of several views, each through a small convolutional stem, then one transformer.

    Args:
        patch: rows and columns of a patch, a multiple of 4.
        channels: of the stem, a multiple of 32.
        dim: of the tokens.
        mlp_dim: of the transformer's hidden layers.
        heads: of its attention.
        layers: of it.
        grid: rows and columns of the table of places.
        longer_sides: of the smaller views, ascending; the frame itself is the last view.
    """

    def __init__(
        self,
        *,
        patch: int = 32,
        channels: int = 64,
        dim: int = 384,
        mlp_dim: int = 1152,
        heads: int = 6,
        layers: int = 14,
        grid: int = 10,
        longer_sides: Sequence[int] = (224, 384),
    ) -> None:
        super().__init__()
        self.patch, self.grid, self.longer_sides = patch, grid, tuple(longer_sides)
        self.conv_root = StandardConv(3, channels, 7, stride=2)
        self.gn_root = nn.GroupNorm(GROUPS, channels, eps=1e-6)
        self.block1 = Bottleneck(channels)
        self.embedding = nn.Linear(4 * channels * (patch // 4) ** 2, dim)
        self.transformer_encoder = Encoder(
            dim, mlp_dim, heads, layers=layers, places=grid**2, scales=len(self.longer_sides) + 1
        )
        self.head = nn.Linear(dim, 1)

    def forward(self, frames: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, " frame"]:
        """The scores of frames in [0, 1].

        Raises:
            ValueError: a view would have no pixels.
        """
        parts = [patches_of(view, self.patch) for view in self.views(2 * frames - 1)]
        patches = torch.cat(parts, 1)
        tokens = self.embedding(self.stem(patches.flatten(0, 1))).unflatten(0, patches.shape[:2])
        places = self.places(*frames.shape[-2:]).to(frames.device)
        scales = torch.tensor([scale for scale, part in enumerate(parts) for _ in range(part.shape[1])])
        scores: Tensor = self.head(self.transformer_encoder(tokens, places, scales.to(frames.device)))
        return scores[:, 0]

    def views(self, frames: Tensor) -> list[Tensor]:
        """The frames at all sizes, the smallest first."""
        height, width = frames.shape[-2:]
        sizes = [view_size(height, width, side) for side in self.longer_sides]
        return [*(interpolate(frames, size, mode="bicubic", align_corners=False) for size in sizes), frames]

    def places(self, height: int, width: int) -> Int[Tensor, " place"]:
        """The places of all views' patches in the table."""
        sizes = [*(view_size(height, width, side) for side in self.longer_sides), (height, width)]
        counts = [(-(-rows // self.patch), -(-columns // self.patch)) for rows, columns in sizes]
        return torch.cat([hashed_places(*count, self.grid) for count in counts])

    def stem(self, patches: Float[Tensor, "patch 3 height width"]) -> Float[Tensor, "patch feature"]:
        """What the convolutions see in each patch alone, channels last."""
        coarse = relu(self.gn_root(self.conv_root(patches)))
        features: Tensor = self.block1(max_pool2d(padded(coarse, 3, 2), 3, 2))
        return features.movedim(1, -1).flatten(1)


class StandardConv(nn.Module):
    """A convolution whose kernels are standardised on use, without bias, with SAME padding."""

    def __init__(self, inward: int, outward: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.randn(outward, inward, kernel, kernel))

    def forward(self, images: Tensor) -> Tensor:
        """Convolved images."""
        std, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True)
        return conv2d(padded(images, self.kernel, self.stride), (self.weight - mean) / (std + 1e-5), stride=self.stride)


class Bottleneck(nn.Module):
    """A residual block that quadruples the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.conv1, self.gn1 = StandardConv(channels, channels, 1), nn.GroupNorm(GROUPS, channels, eps=1e-4)
        self.conv2, self.gn2 = StandardConv(channels, channels, 3), nn.GroupNorm(GROUPS, channels, eps=1e-4)
        self.conv3, self.gn3 = StandardConv(channels, wide, 1), nn.GroupNorm(GROUPS, wide, eps=1e-4)
        self.conv_proj, self.gn_proj = StandardConv(channels, wide, 1), nn.GroupNorm(GROUPS, wide, eps=1e-4)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        inner = relu(self.gn1(self.conv1(images)))
        inner = relu(self.gn2(self.conv2(inner)))
        return relu(self.gn3(self.conv3(inner)) + self.gn_proj(self.conv_proj(images)))


class Encoder(nn.Module):
    """A transformer over the patches of all views; its first token is the answer."""

    def __init__(self, dim: int, mlp_dim: int, heads: int, *, layers: int, places: int, scales: int) -> None:
        super().__init__()
        self.posembed_input = nn.ParameterDict({"position_emb": nn.Parameter(0.02 * torch.randn(1, places, dim))})
        self.scaleembed_input = nn.ParameterDict({"scale_emb": nn.Parameter(0.02 * torch.randn(scales, dim))})
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.transformer = nn.ModuleDict({f"encoderblock_{n}": Block(dim, mlp_dim, heads) for n in range(layers)})
        self.encoder_norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(
        self,
        tokens: Float[Tensor, "frame place dim"],
        places: Int[Tensor, " place"],
        scales: Int[Tensor, " place"],
    ) -> Float[Tensor, "frame dim"]:
        """The first token after all layers."""
        where = self.posembed_input["position_emb"][0, places] + self.scaleembed_input["scale_emb"][scales]
        tokens = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens + where], 1)
        for block in self.transformer.values():
            tokens = block(tokens)
        first: Tensor = self.encoder_norm(tokens[:, 0])
        return first


class Block(nn.Module):
    """A transformer layer, normalised before each half."""

    def __init__(self, dim: int, mlp_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attention = nn.ModuleDict({name: nn.Linear(dim, dim) for name in ("query", "key", "value", "out")})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, mlp_dim), "fc2": nn.Linear(mlp_dim, dim)})

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens after attention and the hidden layer."""
        normed = self.norm1(tokens)
        query, key, value = (self.attention[name](normed) for name in ("query", "key", "value"))
        tokens = tokens + self.attention["out"](attend(query, key, value, self.heads))
        hidden: Tensor = self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(tokens))))
        return tokens + hidden
