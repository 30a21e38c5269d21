"""DINO: what a frame shows, as one vector (Caron et al., ICCV 2021; DINOv2: Oquab et al., 2024).

Reads `dino_vitbase16_pretrain.pth` (ViT-B/16, 85.8 M parameters) and `dinov2_vitb14_pretrain.pth` (ViT-B/14, 86.6 M),
both as Meta publishes them. Frames need not be square.

Agreement on equal random weights (26 Nov 2026, torch 2.15, timm 1.0.31, fp32, CPU; public sizes): bit-identical to
timm's blocks with the places of the authors' code, for 224 x 224, 224 x 388, 388 x 224 and 225 x 300 (DINO), 224 x 224
and 518 x 518 (DINOv2).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from evaluation.networks.attention import attend
from evaluation.networks.files import load_network

NUDGE: Final = 0.1
"""Added to the grid's sides before they are divided: the reference's guard against rounding, which shifts them all."""

DINOV2: Final[Mapping[str, Any]] = {"patch": 14, "grid": 37, "second": True}
"""Sizes of DINOv2's ViT-B/14."""


def load_dino(path: str | Path, place: str = "dino", **sizes: Any) -> "Dino":
    """The network in `dino_vitbase16_pretrain.pth`, or with the sizes DINOV2 in `dinov2_vitb14_pretrain.pth`.

    Args:
        path: of the file.
        place: what an error is about.
        sizes: of Dino, where they are not ViT-B/16's.

    Raises:
        ValueError: there is no such file, or it holds something else (it has the first name or shape that differs).
    """
    return load_network(lambda: Dino(**sizes), path, place, inside=("teacher", "model"))


class Dino(nn.Module):
    """A vision transformer whose first token is the answer.

    Args:
        patch: rows and columns of a patch.
        grid: rows and columns of patches that the table of places has.
        dim: of the tokens.
        layers: of the transformer.
        heads: of its attention.
        second: whether it is a DINOv2, which scales what its layers add.
    """

    def __init__(
        self,
        *,
        patch: int = 16,
        grid: int = 14,
        dim: int = 768,
        layers: int = 12,
        heads: int = 12,
        second: bool = False,
    ) -> None:
        super().__init__()
        self.patch, self.grid = patch, grid
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, patch, patch)})
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, grid**2 + 1, dim) * 0.02)
        if second:
            self.mask_token = nn.Parameter(torch.zeros(1, dim))  # of its training, in its file
        self.blocks = nn.ModuleList(Block(dim, heads, scaled=second) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, pixels: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame dim"]:
        """Features of normalised frames; rows and columns that do not fill a patch are not seen."""
        patches = self.patch_embed["proj"](pixels)
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)
        tokens = tokens + self.places(*pixels.shape[-2:])
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.norm(tokens)[:, 0]
        return features

    def places(self, height: int, width: int) -> Float[Tensor, "1 token dim"]:
        """The table of places stretched over a frame of this size (bicubic, by the reference's odd factor)."""
        sides = [length // self.patch for length in (height, width)]
        if height == width and sides[0] == self.grid:
            return self.pos_embed
        table = self.pos_embed[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        factors = [(side + NUDGE) / self.grid for side in sides]
        stretched: Tensor = interpolate(table, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], stretched.flatten(2).transpose(1, 2)], 1)


class Block(nn.Module):
    """A transformer layer, normalised before each half."""

    def __init__(self, dim: int, heads: int, *, scaled: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})
        self.ls1, self.ls2 = (Scale(dim) if scaled else nn.Identity() for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens after attention and the hidden layer."""
        query, key, value = self.attn["qkv"](self.norm1(tokens)).chunk(3, -1)
        tokens = tokens + self.ls1(self.attn["proj"](attend(query, key, value, self.heads)))
        hidden: Tensor = self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(tokens))))
        return torch.add(tokens, self.ls2(hidden))


class Scale(nn.Module):
    """A factor for every feature."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens, scaled."""
        return tokens * self.gamma
