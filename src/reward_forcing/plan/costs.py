"""What a Wan transformer costs, from its sizes alone: parameters, floating-point operations, bytes it remembers.

A multiply-add is two operations. Only matrix products count, as in torch's FlopCounterMode.
"""

from dataclasses import dataclass
from typing import Final

from reward_forcing.shapes import Geometry

BACKWARD: Final = 2
"""Times a forward pass that a backward pass costs."""

GIGA: Final = 10**9
PETA: Final = 10**15


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a network: the constructor arguments of WanTransformer that give it parameters.

    Args:
        channels: latent channels in and out.
        dim: width of the tokens.
        ffn_dim: width of the feed-forward layers.
        heads: attention heads.
        layers: transformer blocks.
        text_dim: features of the encoded prompts.
        patch: rows and columns of a patch.
        freq_dim: features of the sinusoidal embedding of time.
        places: tokens of a frame with a learned embedding of their place.
    """

    channels: int
    dim: int
    ffn_dim: int
    heads: int
    layers: int
    text_dim: int
    patch: int = 2
    freq_dim: int = 256
    places: int = 0

    @property
    def patch_values(self) -> int:
        """Values of a patch."""
        return self.channels * self.patch**2

    @property
    def block_parameters(self) -> int:
        """Of a transformer block: two attentions with query and key norms, feed-forward, norm3, modulation."""
        attention = 4 * (self.dim**2 + self.dim) + 2 * self.dim
        feed_forward = 2 * self.dim * self.ffn_dim + self.ffn_dim + self.dim
        return 2 * attention + feed_forward + 2 * self.dim + 6 * self.dim

    @property
    def block_linears(self) -> tuple[int, int]:
        """Weights and outputs of the linear layers of a block."""
        return 8 * self.dim**2 + 2 * self.dim * self.ffn_dim, 9 * self.dim + self.ffn_dim

    @property
    def outer_parameters(self) -> int:
        """Of everything outside the blocks: embeddings of patches, text, time and places, projection of time, head."""
        dim = self.dim
        text, time = (inputs * dim + dim + dim**2 + dim for inputs in (self.text_dim, self.freq_dim))
        head = dim * self.patch_values + self.patch_values + 2 * dim
        return self.patch_values * dim + dim + text + time + 6 * (dim**2 + dim) + head + self.places * dim

    @property
    def parameters(self) -> int:
        """All of them (Wan2.1: 1,418,996,800 and 14,288,491,584)."""
        return self.layers * self.block_parameters + self.outer_parameters


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass.

    Args:
        frames: that the pass computes.
        keys: frames attended to, those of the pass included; None: those of the pass.
        tokens: of a frame.
        words: tokens of an encoded prompt.
        batch: samples.
        levels: noise levels embedded for each sample; None: one a frame.
    """

    frames: int
    tokens: int
    words: int
    keys: int | None = None
    batch: int = 1
    levels: int | None = None

    @property
    def queries(self) -> int:
        """Tokens computed of a sample."""
        return self.frames * self.tokens

    @property
    def seen(self) -> int:
        """Tokens attended to of a sample."""
        return (self.frames if self.keys is None else self.keys) * self.tokens


def forward_flops(sizes: Sizes, run: Pass) -> int:
    """Operations of one forward pass (for Wan2.1 1.3B at 480p: 24.3e12 for 3 frames that see 9)."""
    dim, words = sizes.dim, run.words
    linear = 6 * dim**2 + 2 * dim * sizes.ffn_dim  # q, k, v, o; q, o of the prompt; feed-forward
    block = run.queries * (linear + 2 * dim * (run.seen + words)) + words * 2 * dim**2
    text = words * (sizes.text_dim * dim + dim**2)
    time = (run.levels or run.frames) * (sizes.freq_dim * dim + dim**2 + 6 * dim**2)
    ends = run.queries * 2 * sizes.patch_values * dim
    return 2 * run.batch * (sizes.layers * block + text + time + ends)


def training_flops(sizes: Sizes, run: Pass, *, checkpointing: float) -> float:
    """Operations of a forward and a backward pass; this share of the blocks runs forward once more."""
    return forward_flops(sizes, run) * (1 + BACKWARD + checkpointing)


def seen_frames(geometry: Geometry, window_frames: int | None, chunk: int) -> int:
    """Frames that the chunk of this index attends to, itself included."""
    grown = (chunk + 1) * geometry.chunk_frames
    return grown if window_frames is None else min(grown, window_frames)


def chunk_flops(sizes: Sizes, run: Pass, *, steps: int) -> int:
    """Operations of a streamed chunk: its denoising steps and the context pass, all of one size (1.3B: 121e12)."""
    return (steps + 1) * forward_flops(sizes, run)


def kv_bytes(sizes: Sizes, *, frames: int, tokens: int, batch: int = 1, width: int = 2) -> int:
    """Keys and values of some frames in all layers.

    Args:
        sizes: of the network.
        frames: remembered.
        tokens: of a frame.
        batch: samples.
        width: bytes of a number.
    """
    return 2 * sizes.layers * batch * frames * tokens * sizes.dim * width


VAE_FLOPS: Final = 8.5e6
"""Operations a pixel of a video frame of decoding with Wan's VAE, as torch counts them in diffusers' (the first video
frame takes 10.8e6, each other 8.4e6; attention over a frame, which grows with its area, is below 1 %)."""


def decode_flops(geometry: Geometry, batch: int = 1) -> float:
    """Operations of decoding clips with Wan's VAE: 8 x 8 pixels and, after the first, 4 video frames a latent."""
    return batch * geometry.height * geometry.width * 64 * (4 * geometry.frames - 3) * VAE_FLOPS
