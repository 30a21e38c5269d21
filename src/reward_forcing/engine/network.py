"""A Wan transformer's passes over chunks, with everything that repeats taken out; equal to the network up to rounding.

A pass has one part, or two: the context pass over a finished chunk and the first denoising pass of the next, layer by
layer in one batch. The first part's keys and values of a layer are remembered before the second attends in that layer.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reward_forcing.engine.attention import Kernel
from reward_forcing.engine.conditions import Levels, Modulation, Vector, Words
from reward_forcing.engine.rotated import Rotated, Turning, turned
from reward_forcing.engine.weights import Affine, affine, blocks_of, fused
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import Memory
from reward_forcing.networks.attention import EPS
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.shapes import Latents, Prompts

CONTEXT: Final = 0.0
"""The level of the context pass."""

Parts = Float[Tensor, "batch part token dim"]


class Remembering:
    """A memory, and the same as attention takes it, layer by layer.

    Args:
        past: the memory; others may change it, too.
        layers: of the network.
        room: tokens to have room for from the beginning.
    """

    def __init__(self, past: Remembered, layers: int, room: int) -> None:
        self.past = past
        self.rotated = [Rotated(room) for _ in range(layers)]
        self.sources: list[Memory | None] = [None] * layers
        self.kept: dict[int, KV] = {}

    def layer(self, layer: int, turning: Turning) -> Rotated:
        """The rotated memory of a layer, made again if the memory, which is a value, is another one."""
        source = self.past.layers.get(layer)
        if source is not self.sources[layer]:
            self.rotated[layer].fill(self.past.read(layer), turning)
            self.sources[layer] = source
        return self.rotated[layer]

    def keep(self, layer: int, chunk: KV) -> None:
        """Hold what a layer has made of a noisy chunk."""
        self.kept[layer] = chunk.alone()

    def remember_kept(self) -> None:
        """Remember what all layers made of the last noisy chunk, as if it had been clean."""
        for layer, chunk in self.kept.items():
            self.past.write(layer, chunk)
        self.kept.clear()


class Scene(NamedTuple):
    """What all layers of a pass share."""

    frames: int
    levels: tuple[float, ...]
    memory: Remembering
    turning: Turning
    keeping: bool


class FastNetwork:
    """A network's weights at one moment, ready for many passes.

    Args:
        network: whose weights are taken.
        attend: computes attention of queries, keys and values [batch, head, token, head_dim].
        dtype: precision of products; None: that of the network.
    """

    def __init__(self, network: WanTransformer, attend: Kernel, dtype: torch.dtype | None = None) -> None:
        self.network, self.attend = network, attend
        self.dtype, self.stream = dtype or network.dtype, network.norm_dtype or network.dtype
        self.blocks = [fused(block, self.dtype, self.stream) for block in blocks_of(network)]
        self.levels, self.words = Levels(network, self.stream), Words(network, self.dtype)
        embedding = network.patch_embedding
        assert embedding.bias is not None
        self.patches = Affine(embedding.weight.flatten(1).to(self.dtype), embedding.bias.to(self.dtype))
        self.head = affine(network.head.head, self.dtype)
        self.turning: Turning | None = None

    def run(
        self,
        chunks: Sequence[Latents],
        levels: tuple[float, ...],
        prompt: Prompts,
        memory: Remembering,
        *,
        keeping: bool = False,
    ) -> Latents | None:
        """One pass over one or two chunks of equal shape, each at its noise level.

        Args:
            chunks: a clean chunk to be remembered, or a noisy one, or both in this order.
            levels: of each; `CONTEXT` for the clean one.
            prompt: encoded prompts.
            memory: is read, and written by the context pass.
            keeping: whether keys and values of the noisy chunk are held, too.

        Returns:
            The velocity of the noisy chunk, if there is one.
        """
        latents = torch.stack([*chunks], 1)
        rows, columns = (size // self.network.patch for size in latents.shape[-2:])
        scene = Scene(latents.shape[2], levels, memory, self._turning(rows, columns, latents.device), keeping)
        tokens, words, last = self._tokens(latents), self.words.of(prompt), len(self.blocks) - 1
        modulations, head = self.levels.of(levels, latents)
        for layer, block in enumerate(self.blocks):
            how = modulations[layer]
            qkv = block.qkv.of(modulated(tokens, how.shift, how.scale).to(self.dtype))
            # what the context pass is for is done once its keys and values of the last layer are remembered
            done = int(layer == last and levels[0] == CONTEXT)
            attended = [*self._attended(layer, qkv, scene, done)]
            if done == len(levels):
                return None
            if done:
                (modulations, head), tokens = self.levels.of(levels[1:], latents), tokens[:, 1:]
            tokens = self._rest(layer, tokens, attended, modulations[layer], words[layer])
        patches = self.head.of(modulated(tokens[:, 0], *head).to(self.dtype))
        return self.network.unpatchify(patches.unflatten(1, (scene.frames, -1)), rows, columns).to(latents.dtype)

    def _attended(self, layer: int, qkv: Tensor, scene: Scene, done: int) -> Iterator[Tensor]:
        """What the tokens of each part but the first `done` attend to, [batch, token, dim]; remembers the context's."""
        dim, heads = qkv.shape[-1] // 3, self.network.heads
        normed = functional.rms_norm(qkv[..., : 2 * dim].unflatten(-1, (2, dim)).float(), (dim,), eps=EPS)
        both = (normed * self.blocks[layer].norm_qk).unflatten(-1, (heads, -1))
        values = qkv[..., 2 * dim :].unflatten(-1, (heads, -1))
        for part, level in enumerate(scene.levels):
            if part >= done:
                past = scene.memory.layer(layer, scene.turning)
                turns = scene.turning.following(past.filled, both.shape[2])
                queries, keys = turned(both[:, part], turns[:, None]).to(self.dtype).unbind(2)
                seen = past.put(keys, values[:, part])
                yield self.attend(queries.transpose(1, 2), *seen).transpose(1, 2).flatten(2)
            if level == CONTEXT or scene.keeping:
                take = scene.memory.past.write if level == CONTEXT else scene.memory.keep
                states = (both[:, part, :, 1].to(self.dtype), values[:, part])
                take(layer, KV(*(state.unflatten(1, (scene.frames, -1)) for state in states)))

    def _rest(
        self, layer: int, tokens: Parts, attended: Sequence[Tensor], how: Modulation, words: tuple[Tensor, Tensor]
    ) -> Parts:
        """A block after its self-attention: gate, cross-attention, feed-forward."""
        block, dim = self.blocks[layer], tokens.shape[-1]
        found = block.out.of(attended[0].unsqueeze(1) if len(attended) == 1 else torch.stack([*attended], 1))
        tokens = torch.addcmul(tokens, how.gate, found.to(self.stream))
        normed = functional.layer_norm(tokens, (dim,), *block.norm_words, EPS).to(self.dtype).flatten(1, 2)
        queries = functional.rms_norm(block.words_q.of(normed).float(), (dim,), block.norm_words_q, EPS).to(self.dtype)
        by_head = queries.unflatten(-1, (self.network.heads, -1)).transpose(1, 2)
        taken = block.words_out.of(self.attend(by_head, *words).transpose(1, 2).flatten(2))
        tokens = tokens + taken.view_as(tokens)
        inner = block.up.of(modulated(tokens, how.shift_ffn, how.scale_ffn).to(self.dtype))
        outer = block.down.of(functional.gelu(inner, approximate="tanh"))
        return torch.addcmul(tokens, how.gate_ffn, outer.to(self.stream))

    def _tokens(self, latents: Float[Tensor, "batch part frame channel height width"]) -> Parts:
        """Patches embedded: a matrix product, as patches do not overlap."""
        patch = self.network.patch
        cut = latents.to(self.dtype).unflatten(-1, (-1, patch)).unflatten(-3, (-1, patch))
        tokens = self.patches.of(cut.permute(0, 1, 2, 4, 6, 3, 5, 7).flatten(5))
        if self.network.place_embedding is not None:
            tokens = tokens.flatten(3, 4) + self.network.place_embedding
        return tokens.flatten(2, -2).to(self.stream)

    def _turning(self, rows: int, columns: int, device: torch.device) -> Turning:
        if self.turning is None or self.turning.shape[:2] != (rows, columns):
            self.turning = Turning(rows, columns, self.network.head_dim, device)
        return self.turning


def modulated(tokens: Float[Tensor, "*place dim"], shift: Vector, scale: Vector) -> Float[Tensor, "*place dim"]:
    """Normalise each token, then multiply it by `scale` and move it by `shift`."""
    shape = tokens.shape[-1:]
    if scale.dim() == 1:
        return functional.layer_norm(tokens, shape, scale, shift, EPS)
    return torch.addcmul(shift, functional.layer_norm(tokens, shape, eps=EPS), scale)
