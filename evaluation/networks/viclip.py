"""ViCLIP: how well a video and a text agree, by a video transformer and CLIP's text transformer (InternVid, ICLR 2024).

Reads `ViClip-InternVid-10M-FLT.pth` (427.6 M parameters). VBench's temporal style and overall consistency are cosines
of its features: of eight frames, and of the first 32 tokens of the text (the start and end marks among them).

Agreement with VBench 0.1.5's model on equal random weights (26 Nov 2026, torch 2.15, fp32, CPU; public sizes and
smaller ones): largest difference 4e-6 at features of up to 4.9, 3e-7 in cosines. Preprocessing and tokens (of all its
946 prompts, and of some with accents, marks and entities) are identical.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import normalize

from evaluation.networks.files import load_network
from evaluation.networks.frames import CLIP, middle_frames, normalised, square

QUICK: Final = 1.702
"""Slope of the sigmoid that CLIP takes for a GELU."""


def load_viclip(path: str | Path, **sizes: Any) -> "ViClip":
    """The network in `ViClip-InternVid-10M-FLT.pth`.

    Args:
        path: of the file.
        sizes: of ViClip, where they are not the public ones.

    Raises:
        ValueError: there is no such file, or it holds something else (it has the first name or shape that differs).
    """
    return load_network(lambda: ViClip(**sizes), path, "viclip", inside=("model",))


@torch.no_grad()
def video_feature(network: "ViClip", frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, " embedding"]:
    """The direction of a whole video, of length 1: its middle frames, seen as VBench does.

    Raises:
        ValueError: there are no frames.
    """
    chosen = frames[middle_frames(len(frames), network.frames)].to(network.temp.device)
    pixels = normalised(square(chosen, shorter=network.side, side=network.side, mode="bicubic"), CLIP)
    return normalize(network.encode_video(pixels[None])[0].float(), dim=-1)


@torch.no_grad()
def text_features(network: "ViClip", texts: Sequence[str]) -> Float[Tensor, "text embedding"]:
    """The directions of texts, of length 1; times a video's they give cosines."""
    tokens = tokenized(texts, network.words).to(network.temp.device)
    return normalize(network.encode_text(tokens).float(), dim=-1)


def tokenized(texts: Sequence[str], words: int = 32) -> Int[Tensor, "text word"]:
    """CLIP's tokens of texts, zeros after the end mark; a longer text is cut, and ends in the mark.

    >>> tokenized(["a cat"], 5).tolist()
    [[49406, 320, 2368, 49407, 0]]
    """
    tokens: Tensor = _tokenizer()(list(texts), context_length=words)
    return tokens


@cache
def _tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


class ViClip(nn.Module):
    """Two towers whose features of a video and of its text point the same way.

    Args:
        side: rows and columns of a frame.
        patch: of a patch.
        frames: of a video.
        video_dim: of the video's tokens.
        video_layers: of the video tower.
        video_heads: of its attention.
        words: tokens of a text.
        vocabulary: of the tokenizer.
        text_dim: of the text's tokens.
        text_layers: of the text tower.
        text_heads: of its attention.
        embedding: of both features.
    """

    def __init__(
        self,
        *,
        side: int = 224,
        patch: int = 14,
        frames: int = 8,
        video_dim: int = 1024,
        video_layers: int = 24,
        video_heads: int = 16,
        words: int = 32,
        vocabulary: int = 49408,
        text_dim: int = 768,
        text_layers: int = 12,
        text_heads: int = 12,
        embedding: int = 768,
    ) -> None:
        super().__init__()
        self.side, self.frames, self.words = side, frames, words
        self.vision_encoder = VideoTower(
            video_dim, side // patch, patch, frames, layers=video_layers, heads=video_heads, embedding=embedding
        )
        self.text_encoder = TextTower(
            text_dim, vocabulary, words, layers=text_layers, heads=text_heads, embedding=embedding
        )
        self.temp = nn.Parameter(torch.tensor(0.01))

    def encode_video(self, pixels: Float[Tensor, "batch frame 3 side side"]) -> Float[Tensor, "batch embedding"]:
        """Features of normalised frames."""
        features: Tensor = self.vision_encoder(pixels)
        return features

    def encode_text(self, tokens: Int[Tensor, "text word"]) -> Float[Tensor, "text embedding"]:
        """Features of token numbers, the end mark being the highest."""
        features: Tensor = self.text_encoder(tokens)
        return features


class VideoTower(nn.Module):
    """Patches of all frames, with places in the frame and in time, and one token that becomes the answer."""

    def __init__(
        self, dim: int, grid: int, patch: int, frames: int, *, layers: int, heads: int, embedding: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, dim, (1, patch, patch), (1, patch, patch), bias=False)
        self.class_embedding = _table(dim)
        self.positional_embedding = _table(grid**2 + 1, dim)
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, frames, dim))
        self.ln_pre, self.ln_post = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.transformer = Layers(dim, layers, heads)
        self.proj = _table(dim, embedding)

    def forward(self, pixels: Float[Tensor, "batch frame 3 side side"]) -> Float[Tensor, "batch embedding"]:
        """Features of normalised frames."""
        patches = self.conv1(pixels.transpose(1, 2)).flatten(3).permute(0, 2, 3, 1)  # [batch frame place dim]
        places = self.positional_embedding[1:] + self.temporal_positional_embedding[0, :, None]
        first = (self.class_embedding + self.positional_embedding[0]).expand(len(pixels), 1, -1)
        tokens = torch.cat([first, (patches + places).flatten(1, 2)], 1)
        tokens = self.transformer(self.ln_pre(tokens))
        features: Tensor = self.ln_post(tokens[:, 0]) @ self.proj
        return features


class TextTower(nn.Module):
    """CLIP's text transformer: tokens see earlier ones, and the end mark becomes the answer."""

    def __init__(self, dim: int, vocabulary: int, words: int, *, layers: int, heads: int, embedding: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.positional_embedding = _table(words, dim)
        self.transformer = Layers(dim, layers, heads)
        self.ln_final = nn.LayerNorm(dim)
        self.text_projection = _table(dim, embedding)

    def forward(self, tokens: Int[Tensor, "text word"]) -> Float[Tensor, "text embedding"]:
        """Features of token numbers."""
        later = torch.ones(2 * tokens.shape[1:], dtype=torch.bool, device=tokens.device).triu(1)
        seen = self.transformer(self.token_embedding(tokens) + self.positional_embedding, later)
        ends = self.ln_final(seen[torch.arange(len(tokens)), tokens.argmax(1)])
        features: Tensor = ends @ self.text_projection
        return features


class Layers(nn.Module):
    """Transformer layers one after the other."""

    def __init__(self, dim: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))

    def forward(self, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """The tokens after all of them; `hidden` is true where a token must not look."""
        for block in self.resblocks:
            tokens = block(tokens, hidden)
        return tokens


class Block(nn.Module):
    """A transformer layer of CLIP, normalised before each half."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(dim, 4 * dim), "c_proj": nn.Linear(4 * dim, dim)})

    def forward(self, tokens: Tensor, hidden: Tensor | None) -> Tensor:
        """The tokens after attention and the hidden layer."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False, attn_mask=hidden)[0]
        inner = self.mlp["c_fc"](self.ln_2(tokens))
        outer: Tensor = self.mlp["c_proj"](inner * torch.sigmoid(QUICK * inner))
        return tokens + outer


def _table(*shape: int) -> nn.Parameter:
    return nn.Parameter(shape[-1] ** -0.5 * torch.randn(shape))
