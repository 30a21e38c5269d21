"""A Wan transformer's passes over chunks, with everything that repeats taken out; equal to the network up to rounding.

A pass has one part, or two: the context pass over a finished chunk and the first denoising pass of the next, layer by
layer in one batch. The first part's keys and values of a layer are remembered before the second attends in that layer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.engine.arithmetic import PLAIN, Arithmetic, Parts, modulated
from reward_forcing.engine.attention import Kernel
from reward_forcing.engine.conditions import Levels, Prompted, Vector
from reward_forcing.engine.rotated import Rotated, Turning
from reward_forcing.engine.weights import Affine, Linear, affine, as_it_is, blocks_of, fused
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import Memory
from reward_forcing.networks.wan import WanTransformer, patches
from reward_forcing.shapes import Latents, Prompts

CONTEXT: Final = 0.0
"""The level of the context pass."""


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
        linear: how the linear layers of blocks are computed.
        reuses: whether `again` will be asked for.
        how: the arithmetic of blocks, as it is or compiled.
    """

    def __init__(
        self,
        network: WanTransformer,
        attend: Kernel,
        dtype: torch.dtype | None = None,
        *,
        linear: Callable[[Affine], Linear] = as_it_is,
        reuses: bool = False,
        how: Arithmetic = PLAIN,
    ) -> None:
        self.network, self.attend, self.reuses, self.how = network, attend, reuses, how
        self.added: Parts | None = None
        self.dtype, self.stream = dtype or network.dtype, network.norm_dtype or network.dtype
        self.blocks = [fused(block, self.dtype, self.stream, linear) for block in blocks_of(network)]
        self.levels = Levels(network, self.stream)
        self.told = Prompted(network, attend, [block.words_out for block in self.blocks], self.dtype)
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
        tokens, told, heads = self._tokens(latents), self.told.by(prompt), self.network.heads
        modulations, head = self.levels.of(levels, latents)
        begun = tokens[:, -1:] if self.reuses else None
        for layer, block in enumerate(self.blocks):
            both, values = self.how.before(tokens, modulations[layer], block, heads, self.dtype)
            # what the context pass is for is done once its keys and values of the last layer are remembered
            done = int(layer == len(self.blocks) - 1 and levels[0] == CONTEXT)
            attended = [*self._attended(layer, both, values, scene, done)]
            if done == len(levels):
                return None
            if done:
                (modulations, head), tokens = self.levels.of(levels[1:], latents), tokens[:, 1:]
            tokens, queries = self.how.between(tokens, attended, modulations[layer].gate, block)
            tokens = self.how.after(tokens, told[layer].answer(queries), modulations[layer], block)
        if begun is not None:
            self._note(tokens - begun)
        return self._velocity(tokens, head, latents)

    def _note(self, added: Parts) -> None:
        """Keep what the blocks added, always in the same memory: a pass may be a recording."""
        if self.added is None or self.added.shape != added.shape:
            self.added = torch.empty_like(added)
        self.added.copy_(added)

    def places(self, noisy: Latents, memory: Remembering) -> tuple[int, ...]:
        """How much is remembered, and where all that a denoising pass reads or writes besides its input lies."""
        rows, columns = (size // self.network.patch for size in noisy.shape[-2:])
        turning = self._turning(rows, columns, noisy.device)
        pasts = [memory.layer(layer, turning) for layer in range(len(self.blocks))]
        known = [states for past in pasts for states in (past.keys, past.values)]
        added = [] if self.added is None else [self.added]
        return (pasts[0].filled, *(states.data_ptr() for states in (turning.table, *known, *added)))

    def again(self, noisy: Latents, level: float) -> Latents:
        """A denoising pass without its blocks: they add to the tokens what they added in the last pass; a guess."""
        assert self.added is not None
        latents = noisy.unsqueeze(1)
        _, head = self.levels.of((level,), latents)
        return self._velocity(self._tokens(latents) + self.added, head, latents)

    def _velocity(self, tokens: Parts, head: tuple[Vector, Vector], latents: Tensor) -> Latents:
        """What the tokens of one part tell; `latents`, [batch, part, ...], are what came in."""
        frames, (rows, columns) = latents.shape[2], (size // self.network.patch for size in latents.shape[-2:])
        patches = self.head.of(modulated(tokens[:, 0], *head).to(self.dtype))
        return self.network.unpatchify(patches.unflatten(1, (frames, -1)), rows, columns).to(latents.dtype)

    def _attended(self, layer: int, both: Tensor, values: Tensor, scene: Scene, done: int) -> Iterator[Tensor]:
        """What the tokens of each part but the first `done` attend to, [batch, token, dim]; remembers the context's."""
        for part, level in enumerate(scene.levels):
            if part >= done:
                past = scene.memory.layer(layer, scene.turning)
                turns = scene.turning.following(past.filled, both.shape[2])
                queries, keys = self.how.turned(both[:, part], turns[:, None]).to(self.dtype).unbind(2)
                seen = past.put(keys, values[:, part])
                yield self.attend(queries.transpose(1, 2), *seen).transpose(1, 2).flatten(2)
            if level == CONTEXT or scene.keeping:
                take = scene.memory.past.write if level == CONTEXT else scene.memory.keep
                states = (both[:, part, :, 1].to(self.dtype), values[:, part])
                take(layer, KV(*(state.unflatten(1, (scene.frames, -1)) for state in states)))

    def _tokens(self, latents: Float[Tensor, "batch part frame channel height width"]) -> Parts:
        """Patches embedded: a matrix product, as patches do not overlap."""
        tokens = self.patches.of(patches(latents.to(self.dtype), self.network.patch))
        if self.network.place_embedding is not None:
            tokens = tokens + self.network.place_embedding
        return tokens.flatten(2, 3).to(self.stream)

    def _turning(self, rows: int, columns: int, device: torch.device) -> Turning:
        if self.turning is None or self.turning.shape[:2] != (rows, columns):
            self.turning = Turning(rows, columns, self.network.head_dim, device)
        return self.turning
