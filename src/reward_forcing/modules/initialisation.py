"""How a bidirectional network learns to be a causal student: four objectives of one signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor

from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.flow import add_noise, bell_weights, denoising_levels, level_of, random_sigma, schedule, to_clean
from reward_forcing.losses.flow_matching import flow_matching
from reward_forcing.losses.score_gap import guided_velocity
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Past, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.networks import layouts
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.shapes import Latents, Prompts, Sigma

TABLE_STEPS = 1000
"""Resolution of the table of training weights (Self Forcing's scheduler)."""


@runtime_checkable
class Objective(Protocol):
    """What a causal student is initialised to do."""

    def __call__(
        self, student: WanTransformer, batch: dict[str, Any], prompt: Prompts, rng: torch.Generator, step: int
    ) -> Tensor:
        """The loss of a batch of clips at a training step."""


def per_chunk(values: Shaped[Tensor, "batch chunk"], chunk_frames: int) -> Shaped[Tensor, "batch frame"]:
    """Spread one value a chunk over the chunk's frames."""
    return values.repeat_interleave(chunk_frames, 1)


@dataclass(frozen=True, kw_only=True)
class TeacherForcing:
    """Predict each noisy chunk from the streaming memory of the clean chunks before it.

    The memory is the one of rollouts, with its window, its evictions and its relative positions, and gradients pass
    through it. Memories take turns, so that a student meets every sink.

    Args:
        memories: one a step, in turns.
        levels: the sampler's noise levels, drawn for half of the chunks.
        shift: how far the other half's continuous noise levels lean towards 1.
    """

    memories: Sequence[MemoryPolicy]
    levels: Sequence[float]
    shift: float

    def __call__(
        self, student: WanTransformer, batch: dict[str, Any], prompt: Prompts, rng: torch.Generator, step: int
    ) -> Tensor:
        """Mean flow matching loss over chunks; the clean and the noisy pass of a chunk run as one batch."""
        clean: Latents = batch["latents"]
        policy = self.memories[step % len(self.memories)]
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        sigma = per_chunk(self._draw(len(clean), clean.shape[1] // policy.chunk_frames, rng), policy.chunk_frames)
        noisy, sigma = add_noise(clean, noise, sigma.to(clean.device)), sigma.to(clean.device)
        past, predicted = Both(Remembered(policy)), []
        for frames in torch.arange(clean.shape[1]).split(policy.chunk_frames):
            chunk = clean[:, frames]
            velocity = student(
                torch.cat([noisy[:, frames], chunk]),
                torch.cat([sigma[:, frames], level_of(chunk, 0.0)]),
                torch.cat([prompt, prompt]),
                past,
            )
            predicted.append(velocity[: len(clean)])
        return flow_matching(torch.cat(predicted, 1), clean, noise, batch["emphasis"])

    def _draw(self, batch: int, chunks: int, rng: torch.Generator) -> Tensor:
        listed = torch.tensor(self.levels)[torch.randint(len(self.levels), (batch, chunks), generator=rng)]
        continuous = random_sigma((batch, chunks), rng, factor=self.shift)
        return torch.where(torch.rand((batch, chunks), generator=rng) < 0.5, listed, continuous)


@dataclass(frozen=True)
class Both:
    """The past of a noisy and a clean pass in one batch: both read the same, what the clean one makes is remembered."""

    past: Past

    @property
    def frames(self) -> int:
        """How many frames are remembered, in every layer."""
        return self.past.frames

    def read(self, layer: int) -> KV | None:
        """What a layer attends to besides the chunk, twice."""
        known = self.past.read(layer)
        return known and known.apply(lambda remembered: torch.cat([remembered, remembered]))

    def write(self, layer: int, chunk: KV) -> None:
        """Remember the clean half."""
        self.past.write(layer, chunk.apply(lambda fresh: fresh[len(fresh) // 2 :]))


@dataclass(frozen=True, kw_only=True)
class DiffusionForcing:
    """Predict all chunks at once, each at a noise level of its own, under a block-causal mask.

    Args:
        chunk_frames: frames of a chunk.
        window_frames: frames a chunk may look back over, its own included; None: all.
        shift: of the table of noise levels.
    """

    chunk_frames: int
    window_frames: int | None
    shift: float

    def __call__(
        self,
        student: WanTransformer,
        batch: dict[str, Any],
        prompt: Prompts,
        rng: torch.Generator,
        step: int,  # noqa: ARG002
    ) -> Tensor:
        """Flow matching loss, each level counting by the bell-shaped training weight of the scheduler."""
        clean: Latents = batch["latents"]
        frames = clean.shape[1]
        table = schedule(TABLE_STEPS, self.shift)
        index = torch.randint(TABLE_STEPS, (len(clean), frames // self.chunk_frames), generator=rng)
        sigma = per_chunk(table[index], self.chunk_frames).to(clean.device)
        weight = per_chunk(bell_weights(table)[index], self.chunk_frames).to(clean.device)[:, :, None, None, None]
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        layout = layouts.block_causal(frames, self.chunk_frames, self.window_frames)
        velocity = student(add_noise(clean, noise, sigma), sigma, prompt, layout=layout)
        return flow_matching(velocity, clean, noise, weight * batch["emphasis"])


@dataclass(frozen=True, kw_only=True)
class ODERegression:
    """Predict the end of a teacher's trajectory from stored states along it (CausVid, section 4.4).

    A batch holds `states`, [batch, level, frame, channel, height, width], from noise to clean.

    Args:
        chunk_frames: frames of a chunk.
        levels: noise levels of the stored states but the last, which is clean.

    Raises:
        ValueError: a batch holds another number of states.
    """

    chunk_frames: int
    levels: Sequence[float]

    def __call__(
        self,
        student: WanTransformer,
        batch: dict[str, Any],
        prompt: Prompts,
        rng: torch.Generator,
        step: int,  # noqa: ARG002
    ) -> Tensor:
        """Mean square error of the clean estimate, one level a chunk, under a block-causal mask."""
        states: Tensor = batch["states"]
        if states.shape[1] != len(self.levels) + 1:
            raise ValueError(
                f"objective.levels are {self.levels}; the pairs hold {states.shape[1]} states, not one more"
            )
        size, frames = len(states), states.shape[2]
        index = torch.randint(len(self.levels), (size, frames // self.chunk_frames), generator=rng)
        sigma = per_chunk(torch.tensor(self.levels)[index], self.chunk_frames).to(states)
        chosen = per_chunk(index, self.chunk_frames).to(states.device)
        noisy = states[torch.arange(size)[:, None], chosen, torch.arange(frames)[None]]
        velocity = student(noisy, sigma, prompt, layout=layouts.block_causal(frames, self.chunk_frames))
        return (to_clean(noisy, velocity, sigma) - states[:, -1]).square().mean()


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Agree with oneself one step of the teacher further on (consistency distillation), without stored trajectories.

    Noisy real latents `x_t` are moved to the neighbouring level `s < t` by an Euler step of the teacher under guidance,
    `x_s = x_t + (s - t) v(x_t, t)`. With `f(x, t) = x - t v_student(x, t)`, the student's clean estimate given the
    clean chunks before, the loss is the mean of `(f(x_t, t) - sg[f(x_s, s)])^2`; at `s = 0`, `f` is the identity, so
    the target is `x_s` itself. The target is the student of the moment (Song and Dhariwal 2023: no average is needed).

    A clip has one level, at which a bidirectional teacher is at home.

    Args:
        teacher: frozen; bidirectional.
        text: encodes the negative prompt.
        chunk_frames: frames of a chunk.
        steps: of the teacher's sampler; neighbouring levels are one step apart.
        shift: how far the levels lean towards 1.
        guidance_scale: of the teacher, in the standard convention.

    Raises:
        ValueError: there are no steps.
    """

    teacher: WanTransformer
    text: TextEncoder
    chunk_frames: int
    steps: int
    shift: float
    guidance_scale: float

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"objective.steps is {self.steps}; it must be at least 1")
        self.teacher.requires_grad_(requires_grad=False).eval()

    def __call__(
        self,
        student: WanTransformer,
        batch: dict[str, Any],
        prompt: Prompts,
        rng: torch.Generator,
        step: int,  # noqa: ARG002
    ) -> Tensor:
        """Mean square disagreement of clean estimates one step apart."""
        clean: Latents = batch["latents"]
        levels = torch.tensor([*denoising_levels(self.steps, self.shift), 0.0])
        index = torch.randint(self.steps, (len(clean), 1), generator=rng)
        high, low = (levels[place].to(clean).expand(clean.shape[:2]) for place in (index, index + 1))
        noisy = add_noise(clean, torch.randn(clean.shape, generator=rng).to(clean.device), high)
        with torch.no_grad():
            velocity = guided_velocity(
                self.teacher,
                noisy,
                high,
                prompt=prompt,
                negative=self.text([""] * len(clean)).to(clean.device),
                guidance_scale=self.guidance_scale,
            )
            nearer = noisy + (low - high)[:, :, None, None, None] * velocity
            target = self._estimate(student, clean, nearer, low, prompt)
        return (self._estimate(student, clean, noisy, high, prompt) - target).square().mean()

    def _estimate(
        self, student: WanTransformer, clean: Latents, noisy: Latents, sigma: Sigma, prompt: Prompts
    ) -> Latents:
        """The clean estimate of every chunk from its noisy form and the clean chunks before it, in one pass."""
        frames = clean.shape[1]
        layout = layouts.teacher_forcing(frames, self.chunk_frames)
        both, levels = torch.cat([clean, noisy], 1), torch.cat([torch.zeros_like(sigma), sigma], 1)
        return to_clean(noisy, student(both, levels, prompt, layout=layout)[:, frames:], sigma)
