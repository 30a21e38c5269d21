"""Self-forcing: a causal student generates a video chunk after chunk, each from what it made before.

Training, inference and speed measurement share this one generator.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from reward_forcing.engine.reference import Engine, Passes, Reference
from reward_forcing.flow import add_noise, level_of, to_clean
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.networks.protocols import CausalVelocityModel
from reward_forcing.shapes import Latents, Prompts
from reward_forcing.switching import switch_named

Noise: TypeAlias = Callable[[int, int], Latents]
"""`noise(chunk, step)`: the noise of a chunk before a denoising step (`seeding.VideoNoise` is one)."""

PromptAt: TypeAlias = Callable[[int], Prompts]
"""`prompt(chunk)`: the encoded prompts a chunk is generated under; switching is returning another."""


def always(prompt: Prompts) -> PromptAt:
    """The same prompt for every chunk."""
    return lambda _: prompt


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How a student generates.

    Args:
        levels: noise levels of the denoising passes, from 1 downwards.
        memory: how the student remembers.
        context_gradient: whether a later chunk's loss reaches earlier chunks through the memory ("through") or the
            memory carries no gradient ("detached").
        engine: what runs the student's passes.

    Raises:
        ValueError: levels do not start at 1 and fall strictly towards 0, or the gradient mode is unknown.
    """

    levels: Sequence[float]
    memory: MemoryPolicy
    context_gradient: Literal["detached", "through"] = "detached"
    engine: Engine = field(default_factory=Reference)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        falling = all(high > low for high, low in zip(self.levels, [*self.levels[1:], 0.0], strict=False))
        if not self.levels or self.levels[0] != 1 or not falling:
            raise ValueError(
                f"rollout.levels is {self.levels}; they must start at 1 and fall strictly, staying above 0"
            )
        if self.context_gradient not in ("detached", "through"):
            raise ValueError(f"rollout.context_gradient is {self.context_gradient!r}; allowed: 'detached', 'through'")

    def stream(
        self,
        student: CausalVelocityModel,
        noise: Noise,
        prompt: PromptAt,
        *,
        chunks: Iterable[int],
        exit_at: int | None = None,
        start: Latents | Iterator[Latents] | None = None,
        on_switch: str = "cross_only",
    ) -> Iterator[Latents]:
        """Generate chunk after chunk, for as many as `chunks` counts (`itertools.count()`: without end).

        The memory is written once a chunk, by the context pass over the clean result, when the next chunk is asked for;
        the last chunk therefore costs no context pass.

        Args:
            student: the generator.
            noise: where noise comes from.
            prompt: what to generate.
            chunks: the indices of the chunks.
            exit_at: the denoising step whose result is the chunk and carries gradients, earlier ones carry none; the
                last by default.
            start: clean latents of an image or clip to continue, whole or in chunks; they are yielded first, chunk by
                chunk, and none is asked for before the one before it is remembered.
            on_switch: what becomes of the memory when the prompt changes; a name of `switching.SWITCHES`.

        Yields:
            Clean latents of one chunk.

        Raises:
            ValueError: there is no step `exit_at`, or no policy `on_switch`.
        """
        exit_at = len(self.levels) - 1 if exit_at is None else exit_at
        if not 0 <= exit_at < len(self.levels):
            raise ValueError(f"rollout.exit_at is {exit_at}; there are steps 0 to {len(self.levels) - 1}")
        switch = switch_named(on_switch)
        passes = self.engine.begin(student, self.memory)
        recent: Latents | None = None
        words: Prompts | None = None
        indices = iter(chunks)
        first = [*itertools.islice(indices, 1)]
        for finished in self._parts(start):
            yield finished
            for chunk in first:
                words = prompt(chunk)
                self._remember(passes, finished, words)
                recent = self._latest(recent, finished.detach())
        clean: Latents | None = None
        for chunk in itertools.chain(first, indices):
            wanted = prompt(chunk)
            if clean is not None and words is not None:
                self._remember(passes, clean, words)
                recent = self._latest(recent, clean.detach())
            if recent is not None and _differs(words, wanted):
                switch(passes.remembered(), recent, partial(self._remember_all, passes, wanted))
            steps = [noise(chunk, step) for step in range(exit_at + 1)]
            clean, words = self._denoise(passes, steps, wanted), wanted
            yield clean

    def _latest(self, recent: Tensor | None, finished: Tensor) -> Tensor:
        """As many of the last frames as a window has."""
        frames = finished if recent is None else torch.cat([recent, finished], 1)
        return frames if self.memory.window_frames is None else frames[:, -self.memory.window_frames :]

    def _remember_all(self, passes: Passes, prompt: Prompts, clean: Latents) -> None:
        """Write clean frames into memory, chunk by chunk."""
        for chunk in self._chunked(clean):
            self._remember(passes, chunk, prompt)

    def _denoise(self, passes: Passes, noises: list[Latents], prompt: Prompts) -> Latents:
        """One denoising pass for each noise; only the last carries gradients."""
        noisy = noises[0]
        for level, following, noise in zip(self.levels, self.levels[1:], noises[1:], strict=False):
            with torch.no_grad():
                sigma = level_of(noisy, level)
                clean = to_clean(noisy, passes.velocity(noisy, level, prompt), sigma)
                noisy = add_noise(clean, noise, level_of(noisy, following))
        level = self.levels[len(noises) - 1]
        return to_clean(noisy, passes.velocity(noisy, level, prompt), level_of(noisy, level))

    def _remember(self, passes: Passes, clean: Latents, prompt: Prompts) -> None:
        """The context pass: write a finished chunk into memory, at noise level 0."""
        learning = torch.is_grad_enabled()
        through = self.context_gradient == "through" and learning
        with torch.set_grad_enabled(through):
            clean = clean if through else clean.detach()
            passes.remember(clean, prompt, learning=learning)

    def _parts(self, start: Latents | Iterator[Latents] | None) -> Iterable[Tensor]:
        """What a video begins with, in chunks."""
        if start is None:
            return ()
        return self._chunked(start) if isinstance(start, Tensor) else start

    def _chunked(self, start: Latents) -> list[Tensor]:
        """The given frames in chunks, a shorter one first if they do not divide."""
        size = self.memory.chunk_frames
        odd = start.shape[1] % size
        return [part for part in (start[:, :odd], *start[:, odd:].split(size, 1)) if part.shape[1]]


def _differs(words: Prompts | None, wanted: Prompts) -> bool:
    """Whether the prompt has changed; the first one has not."""
    return words is not None and words is not wanted and not torch.equal(words, wanted)


def generate(stream: Iterator[Latents]) -> Latents:
    """All chunks of a finite stream as one clip."""
    return torch.cat(list(stream), 1)
