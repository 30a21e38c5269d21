"""How a student's passes run: what a rollout asks of an engine, and the plain one, which defines what is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from reward_forcing.engine.attention import SDPA
from reward_forcing.flow import level_of
from reward_forcing.memory.past import Folding, ReadOnly, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.networks.protocols import CausalVelocityModel
from reward_forcing.shapes import Latents, Prompts


@runtime_checkable
class Passes(Protocol):
    """The passes over one batch of videos, and the memory they share."""

    def remembered(self) -> Remembered:
        """What is remembered, all passes so far included; whoever asks may change it before the next one."""

    def velocity(self, noisy: Latents, level: float, prompt: Prompts) -> Latents:
        """A denoising pass: the velocity of a chunk at a noise level above 0."""

    def remember(self, clean: Latents, prompt: Prompts, *, learning: bool) -> None:
        """The context pass: write a clean chunk into memory.

        Args:
            clean: a finished chunk.
            prompt: it was made under.
            learning: whether what a sink learns of its folds gets gradients, even where the pass itself carries none.
        """


@runtime_checkable
class Engine(Protocol):
    """What runs a student's passes; all engines give the same, up to rounding and what they tell."""

    @property
    def approximations(self) -> Mapping[str, Any]:
        """What makes it give something else than the reference, by key; nothing if it is exact."""

    def begin(self, student: CausalVelocityModel, policy: MemoryPolicy) -> Passes:
        """Videos of which nothing is remembered yet."""

    def kernel(self, student: CausalVelocityModel, policy: MemoryPolicy, chunk: Sequence[int]) -> str:
        """How attention is computed for chunks [frame, channel, height, width]; `SDPA` leaves it to torch."""


@dataclass(frozen=True)
class PlainPasses:
    """Every pass is a call of the student."""

    student: CausalVelocityModel
    memory: Remembered

    def remembered(self) -> Remembered:
        """What is remembered."""
        return self.memory

    def velocity(self, noisy: Latents, level: float, prompt: Prompts) -> Latents:
        """A denoising pass; it only reads."""
        return self.student(noisy, level_of(noisy, level), prompt, ReadOnly(self.memory))

    def remember(self, clean: Latents, prompt: Prompts, *, learning: bool) -> None:
        """The context pass; its velocity means nothing."""
        self.student(clean, level_of(clean, 0.0), prompt, Folding(self.memory, learning))


@dataclass(frozen=True)
class Reference:
    """The engine that is read to know what streaming is."""

    @property
    def approximations(self) -> dict[str, Any]:
        """None."""
        return {}

    def begin(self, student: CausalVelocityModel, policy: MemoryPolicy) -> PlainPasses:
        """Videos of which nothing is remembered yet."""
        return PlainPasses(student, Remembered(policy))

    def kernel(self, student: CausalVelocityModel, policy: MemoryPolicy, chunk: Sequence[int]) -> str:  # noqa: ARG002
        """As torch chooses."""
        return SDPA
