"""The Wan2.1 text-to-video transformer: one class for teacher, student and fake score, at any size.

Parameter names are those of the official checkpoints.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Past
from reward_forcing.networks import layouts
from reward_forcing.networks.arithmetic import EPS, Activation, centred
from reward_forcing.networks.attention import CrossAttention, Scene, SelfAttention
from reward_forcing.networks.compiling import compile_in_place
from reward_forcing.networks.layouts import Layout
from reward_forcing.networks.rotary import axis_dims, turns_of
from reward_forcing.networks.words import Told
from reward_forcing.shapes import Latents, Prompts, Sigma

TIMESTEPS = 1000.0
"""Wan embeds noise levels as timesteps: 1000 sigma."""

Tokens = Float[Tensor, "batch frame token dim"]


class WanTransformer(nn.Module):
    """A velocity model over video latents.

    Args:
        channels: latent channels in and out.
        dim: width of the tokens.
        ffn_dim: width of the feed-forward layers.
        heads: attention heads.
        layers: transformer blocks.
        text_dim: features of the encoded prompts.
        patch: rows and columns of a patch.
        freq_dim: features of the sinusoidal embedding of time.
        places: tokens of a frame that get a learned embedding of their place; 0: none, as in Wan. Rotary positions are
            relative, so without it a small network hardly finds out where the borders of the frame are.
        norm_dtype: precision of the residual stream, its normalisation, modulation and gates; None: that of the
            parameters, as released (in bf16 it is a little coarser than "float32").
        checkpointing: share of the blocks that are recomputed in the backward pass instead of keeping their
            activations, evenly spread; true: all, false: none. Gradients are the same.
        compiled: what torch compiles the blocks with when they first run ("inductor", or another of its backends);
            None: they are not compiled. Results change by rounding at most, names of parameters do not.

    Raises:
        ValueError: heads do not divide the width, the dimensions of a head cannot be rotated in pairs, the share of
            blocks is not within [0, 1], or torch knows no such backend.
    """

    def __init__(
        self,
        *,
        channels: int,
        dim: int,
        ffn_dim: int,
        heads: int,
        layers: int,
        text_dim: int,
        patch: int = 2,
        freq_dim: int = 256,
        places: int = 0,
        norm_dtype: Literal["float32"] | None = None,
        checkpointing: bool | float = False,
        compiled: str | None = None,
    ) -> None:
        super().__init__()
        if dim % heads or any(size % 2 or size < 2 for size in axis_dims(dim // heads)):
            raise ValueError(f"network.dim is {dim} with {heads} heads; heads must divide it, into even sizes >= 6")
        if not 0 <= checkpointing <= 1:
            raise ValueError(f"network.checkpointing is {checkpointing}; it must be within [0, 1]")
        self.channels, self.heads, self.layers, self.head_dim = channels, heads, layers, dim // heads
        self.patch, self.freq_dim, self.checkpointing = patch, freq_dim, checkpointing
        self.norm_dtype = torch.float32 if norm_dtype else None
        self.sizes = {
            "channels": channels,
            "dim": dim,
            "ffn_dim": ffn_dim,
            "heads": heads,
            "layers": layers,
            "text_dim": text_dim,
            "patch": patch,
            "freq_dim": freq_dim,
            "places": places,
        }
        self.patch_embedding = nn.Conv3d(channels, dim, (1, patch, patch), (1, patch, patch))
        self.text_embedding = nn.Sequential(nn.Linear(text_dim, dim), nn.GELU("tanh"), nn.Linear(dim, dim))
        self.time_embedding = nn.Sequential(nn.Linear(freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.place_embedding = nn.Parameter(0.5 * torch.randn(places, dim)) if places else None
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, ffn_dim, heads) for _ in range(layers))
        self.head = Head(dim, channels * patch * patch)
        self.apply(_initialise)
        for embedding in (self.text_embedding, self.time_embedding):
            for layer in embedding:
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.head.head.weight)
        if compiled is not None:
            compile_in_place(self.blocks, compiled)

    def forward(
        self,
        noisy: Latents,
        sigma: Float[Tensor, "batch"] | Sigma,
        prompt: Prompts | Sequence[Told],
        past: Past | None = None,
        *,
        layout: Layout | None = None,
    ) -> Latents:
        """Predict the velocity of `noisy`, in the precision of the parameters; the result has that of `noisy`.

        Args:
            noisy: latents.
            sigma: noise level, one a sample or one a frame.
            prompt: encoded prompts, or what all blocks have been told of them.
            past: what is remembered of earlier frames; every block reads its layer of it and, having run, writes the
                keys and values of these frames to it.
            layout: places in time and visibility of the frames; every frame sees every frame by default.
        """
        if layout is None:
            layout = layouts.bidirectional(noisy.shape[1] + (past.frames if past else 0))
        rows, columns = noisy.shape[3] // self.patch, noisy.shape[4] // self.patch
        places = tuple(layout.positions.tolist())
        scene = Scene.of(layout, turns_of(places, rows, columns, self.head_dim, noisy.device))
        time, modulation = self.embed_time(sigma.unsqueeze(1) if sigma.dim() == 1 else sigma)
        text = [self._text(prompt)] * self.layers if isinstance(prompt, Tensor) else prompt
        weight = self.patch_embedding.weight.flatten(1)
        tokens = functional.linear(patches(noisy.to(self.dtype), self.patch), weight, self.patch_embedding.bias)
        if self.place_embedding is not None:
            tokens = tokens + self.place_embedding
        tokens = tokens.to(self.norm_dtype or self.dtype)
        for layer in range(self.layers):
            tokens = self._run(layer, past, tokens, modulation, text[layer], scene)
        return self.unpatchify(self.head(tokens, time), rows, columns).to(noisy.dtype)

    def told(self, prompt: Prompts) -> list[Told]:
        """What every block is told of encoded prompts: for several passes, whose gradients then meet in it."""
        text = self._text(prompt)
        return [block.cross_attn.told(text) for block in self.blocks if isinstance(block, Block)]

    def _text(self, prompt: Prompts) -> Float[Tensor, "batch word dim"]:
        text: Tensor = self.text_embedding(prompt.to(self.dtype))
        return text

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the parameters."""
        return self.patch_embedding.weight.dtype

    def _run(self, layer: int, past: Past | None, tokens: Tokens, *others: object) -> Tokens:
        """The tokens after a block; the block reads its layer of the past and then writes it."""
        block, known = self.blocks[layer], None if past is None else past.read(layer)
        inputs = (tokens, *others, known and (known.keys, known.values))
        if torch.is_grad_enabled() and recomputed(layer, self.layers, self.checkpointing):
            tokens, keys, values = checkpoint(block, *inputs, use_reentrant=False)
        else:
            tokens, keys, values = block(*inputs)
        if past is not None:
            past.write(layer, KV(keys, values))
        return tokens

    def embed_time(self, sigma: Float[Tensor, "batch #frame"]) -> tuple[Tensor, Tensor]:
        """Embedding and the six modulation vectors of the noise level, for each frame."""
        time = self.time_embedding(sinusoid(sigma * TIMESTEPS, self.freq_dim).to(self.dtype))
        return time, self.time_projection(time).unflatten(-1, (6, -1))

    def unpatchify(self, tokens: Tokens, rows: int, columns: int) -> Latents:
        """Patches back to latents; a token lists patch row, patch column, channel, channel fastest."""
        grid = tokens.unflatten(-1, (self.patch, self.patch, self.channels)).unflatten(2, (rows, columns))
        latents: Tensor = grid.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)
        return latents


def recomputed(layer: int, layers: int, share: float) -> bool:
    """Whether a block is among the `round(share * layers)` to recompute in the backward pass, evenly spread over depth.

    The last block is the first to keep its activations: they are freed before any block is recomputed, which then takes
    no more memory than they did.
    """
    keeping = layers - round(share * layers)
    return (layer + 1) * keeping // layers == layer * keeping // layers


def patches(latents: Float[Tensor, "*place channel height width"], patch: int) -> Float[Tensor, "*place token number"]:
    """The numbers of every patch, channel slowest: as patches do not overlap, embedding them is a matrix product."""
    cut = latents.unflatten(-1, (-1, patch)).unflatten(-3, (-1, patch))
    leading = range(latents.dim() - 3)
    numbers: Tensor = cut.permute(*leading, -4, -2, -5, -3, -1).flatten(-3)
    return numbers.flatten(-3, -2)


def sinusoid(timestep: Float[Tensor, "..."], dim: int) -> Float[Tensor, "... dim"]:
    """Cosines, then sines, of `timestep` at `dim / 2` frequencies from 1 down to almost 1e-4; in fp64."""
    rates = torch.exp(-math.log(10_000) * torch.arange(dim // 2, device=timestep.device).double() / (dim // 2))
    angles = timestep.double().unsqueeze(-1) * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


class Block(nn.Module):
    """A transformer block: self-attention, cross-attention to the prompt, feed-forward."""

    def __init__(self, dim: int, ffn_dim: int, heads: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, EPS)
        self.cross_attn = CrossAttention(dim, heads)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), Activation(), nn.Linear(ffn_dim, dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def forward(
        self,
        tokens: Tokens,
        time: Float[Tensor, "batch #frame 6 dim"],
        text: Float[Tensor, "batch word dim"] | Told,
        scene: Scene,
        past: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tokens, Tensor, Tensor]:
        """The tokens after this block, and this block's keys and values of their frames."""
        stream, inner = tokens.dtype, self.modulation.dtype
        vectors = (self.modulation.to(stream) + time.to(stream)).unsqueeze(3)
        shift_sa, scale_sa, gate_sa, shift_ffn, scale_ffn, gate_ffn = vectors.unbind(2)
        attended, keys, values = self.self_attn(modulate(tokens, shift_sa, scale_sa).to(inner), scene, past)
        tokens = torch.addcmul(tokens, gate_sa, attended.to(stream))
        norm = self.norm3
        words = functional.layer_norm(tokens, norm.normalized_shape, norm.weight.to(stream), norm.bias.to(stream), EPS)
        tokens = tokens + self.cross_attn(words.to(inner), text)
        outer = self.ffn(modulate(tokens, shift_ffn, scale_ffn).to(inner))
        return torch.addcmul(tokens, gate_ffn, outer.to(stream)), keys, values


class Head(nn.Module):
    """From tokens to patches of velocity."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, out)
        self.modulation = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)

    def forward(
        self, tokens: Tokens, time: Float[Tensor, "batch #frame dim"]
    ) -> Float[Tensor, "batch frame token out"]:
        """The patches, under the modulation of the frames' noise level."""
        vectors = (self.modulation.to(tokens.dtype) + time.to(tokens.dtype).unsqueeze(2)).unsqueeze(3)
        shift, scale = vectors.unbind(2)
        patches: Tensor = self.head(modulate(tokens, shift, scale).to(self.modulation.dtype))
        return patches


def modulate(tokens: Tokens, shift: Tensor, scale: Tensor) -> Tokens:
    """Normalise each token, then scale it by `1 + scale` and move it by `shift`."""
    return torch.addcmul(shift, centred(tokens), 1 + scale)


def _initialise(module: nn.Module) -> None:
    """Wan's initialisation for training from scratch."""
    if isinstance(module, nn.Linear | nn.Conv3d):
        nn.init.xavier_uniform_(module.weight.flatten(1))
        assert module.bias is not None
        nn.init.zeros_(module.bias)
