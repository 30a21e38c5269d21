"""UMT: which of 400 actions a video shows, by a transformer over all of its patches at once (Li et al., ICCV 2023).

Reads `l16_ptk710_ftk710_ftk400_f16_res224.pth`: ViT-L/16, fine-tuned on Kinetics-400 with 16 frames of 224 x 224
(304.1 M trained parameters and a table of places). VBench's human action looks for the prompt's action among its five
most probable ones.

The reference never trains the table of places, although it saves it: a file without it is as good.

Agreement with VBench 0.1.5's model on equal random weights (26 Nov 2026, torch 2.15, fp32, CPU; public sizes and
smaller ones): the table of places is equal, the largest difference is 1e-6 at logits of up to 3.6. VBench resizes with
OpenCV's integers, here it is done in floats: an eighth of noise's pixels differ, by one level of 255.
"""

from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, linear

from evaluation.networks.attention import attend
from evaluation.networks.files import load_network
from evaluation.networks.frames import IMAGENET, middle_frames, normalised, square

SHORTER: Final = 256
"""VBench scales the shorter side to it before it cuts out the centre."""

TRAINED_FRAMES: Final = 8
"""Frames of the pretrained network, whose places in time are stretched over those of this one."""

BASE: Final = 10_000
"""Of the sines' wavelengths (Vaswani et al. 2017)."""


def load_umt(path: str | Path, **sizes: Any) -> "Umt":
    """The network in `l16_ptk710_ftk710_ftk400_f16_res224.pth`.

    Args:
        path: of the file.
        sizes: of Umt, where they are not the public ones.

    Raises:
        ValueError: there is no such file, or it holds something else (it has the first name or shape that differs).
    """
    return load_network(lambda: Umt(**sizes), path, "umt", inside=("model", "module"), defaults=_places)


def _places(network: "Umt") -> dict[str, Tensor]:
    return {"pos_embed": sine_places(network.grid, network.frames, network.dim)}


@torch.no_grad()
def action_probabilities(network: "Umt", frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, " action"]:
    """How probable each action is, on its own, in a whole video: of its middle frames, seen as VBench does.

    Raises:
        ValueError: there are no frames.
    """
    chosen = frames[middle_frames(len(frames), network.frames)].to(network.pos_embed.device)
    pixels = normalised(square(chosen, shorter=SHORTER, side=network.side, mode="bilinear"), IMAGENET)
    logits: Tensor = network(pixels[None])[0]
    return logits.float().sigmoid()


def recognised(probabilities: Float[Tensor, " action"], *, most: int = 5, least: float = 0.85) -> list[int]:
    """The actions VBench accepts: the `most` probable ones if at least `least` probable (rounded to four decimals).

    >>> recognised(torch.tensor([0.9, 0.2, 0.84996, 0.99]))
    [3, 0, 2]
    """
    best = probabilities.topk(min(most, len(probabilities)))
    found = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [action for value, action in found if round(value, 4) >= least]


def read_actions(path: str | Path) -> tuple[str, ...]:
    """The names of actions, from VBench's `kinetics_400_categories.txt` (name, tab, number), in lower case.

    Raises:
        ValueError: there is no such file, or the numbers in it are not 0, 1, 2 and so on, each once.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"umt: {path} is not there; allowed: kinetics_400_categories.txt of a copy of VBench")
    rows = [line.strip().split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = {row[-1]: row[0].lower() for row in rows if len(row) == 2}
    numbers = [str(number) for number in range(max(1, len(rows)))]
    if missing := [number for number in numbers if number not in names]:
        raise ValueError(f"umt: {path} names no action {missing[0]}; allowed: lines of a name, a tab and a number")
    return tuple(names[number] for number in numbers)


def sine_places(grid: int, frames: int, dim: int) -> Float[Tensor, "1 place dim"]:
    """Sines of each patch's number in a video of 8 frames, stretched over `frames` (linear).

    Channel 2 i has the sine and 2 i + 1 the cosine of the number / 10000^(2 i / dim).
    """
    numbers = torch.arange(TRAINED_FRAMES * grid**2, dtype=torch.float64)
    angles = numbers[:, None] / BASE ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    table = torch.stack([angles.sin(), angles.cos()], -1).flatten(1).float()
    if frames != TRAINED_FRAMES:
        in_time = table.unflatten(0, (TRAINED_FRAMES, -1)).permute(1, 2, 0)
        table = interpolate(in_time, frames, mode="linear", align_corners=False).permute(2, 0, 1).flatten(0, 1)
    return table[None]


class Umt(nn.Module):
    """Classifies videos: patches of every frame, one transformer over all of them, their mean.

    Args:
        side: rows and columns of a frame.
        patch: of a patch.
        frames: of a video.
        dim: of the tokens; even.
        layers: of the transformer.
        heads: of its attention.
        actions: classes.
    """

    def __init__(
        self,
        *,
        side: int = 224,
        patch: int = 16,
        frames: int = 16,
        dim: int = 1024,
        layers: int = 24,
        heads: int = 16,
        actions: int = 400,
    ) -> None:
        super().__init__()
        self.side, self.grid, self.frames, self.dim = side, side // patch, frames, dim
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, dim, (1, patch, patch), (1, patch, patch))})
        self.pos_embed = nn.Parameter(sine_places(self.grid, frames, dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.fc_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, actions)

    def forward(self, pixels: Float[Tensor, "batch frame 3 side side"]) -> Float[Tensor, "batch action"]:
        """Logits of normalised frames."""
        tokens = self.patch_embed["proj"](pixels.transpose(1, 2)).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(self.fc_norm(tokens.mean(1)))
        return logits


class Block(nn.Module):
    """A transformer layer, normalised before each half."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens after attention and the hidden layer."""
        tokens = tokens + self.attn(self.norm1(tokens))
        hidden: Tensor = self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(tokens))))
        return tokens + hidden


class Attention(nn.Module):
    """Attention of every token to every other; keys have no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """What the tokens see."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        query, key, value = linear(tokens, self.qkv.weight, bias).chunk(3, -1)
        seen: Tensor = self.proj(attend(query, key, value, self.heads))
        return seen
