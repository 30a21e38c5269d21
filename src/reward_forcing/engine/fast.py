"""The fast engine: the same passes with nothing done twice, and two of them at once where that is exact."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reward_forcing.engine.attention import NAMES, ROUGH_NAMES, SDPA, Shape, kernel_for, tried
from reward_forcing.engine.compiled import MODES, WITH_GRAPHS, Mode, arithmetic_for
from reward_forcing.engine.network import CONTEXT, FastNetwork, Remembering
from reward_forcing.engine.quantised import EXACT, LINEARS, linear_for, require
from reward_forcing.engine.recorded import Recorded, recorded_on
from reward_forcing.engine.reference import Passes, PlainPasses
from reward_forcing.engine.weights import why_not
from reward_forcing.memory.learning import learned
from reward_forcing.memory.past import Past, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.networks.protocols import CausalVelocityModel
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.words import Told
from reward_forcing.shapes import Latents, Prompts


@dataclass(frozen=True, kw_only=True)
class Fast:
    """Runs a Wan transformer's passes as fast as this machine can; other students' as the reference does.

    Args:
        attention: how attention is computed; "probe": as is fastest here.
        fuse_context: run a context pass and the next chunk's first denoising pass as one.
        context_pass: false remembers a chunk as its last denoising pass saw it, a little noisy, and saves the pass: an
            approximation, for students that stand it.
        compile: how torch compiles the arithmetic of blocks, if it does; with "reduce-overhead" and "max-autotune"
            denoising passes are CUDA graphs on an NVIDIA GPU.
        linears: how the blocks' linear layers are computed: "exact", or with weights and inputs in eight bits ("int8",
            "float8"), an approximation.
        reuse: a denoising pass at a noise level below this leaves the blocks out: they add to its tokens what they
            added in the pass before; an approximation. 0 leaves nothing out.

    Raises:
        ValueError: there is no such way, or `reuse` is not within [0, 1].
    """

    attention: str = "probe"
    fuse_context: bool = True
    context_pass: bool = True
    compile: Mode = False
    linears: str = EXACT
    reuse: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (("attention", NAMES), ("linears", LINEARS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"engine.{name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        if self.compile is not False and self.compile not in MODES:
            raise ValueError(f"engine.compile is {self.compile!r}; allowed: false, {', '.join(MODES)}")
        if not 0 <= self.reuse <= 1:
            raise ValueError(f"engine.reuse is {self.reuse}; it must be within [0, 1]")

    @property
    def approximations(self) -> dict[str, Any]:
        """What makes it give something else than the reference, by key."""
        rough = {
            "attention": self.attention in ROUGH_NAMES,
            "context_pass": not self.context_pass,
            "linears": self.linears != EXACT,
            "reuse": self.reuse > 0,
        }
        return {name: getattr(self, name) for name, is_rough in rough.items() if is_rough}

    @property
    def exact(self) -> bool:
        """Whether it gives what the reference gives."""
        return not self.approximations

    def begin(self, student: CausalVelocityModel, policy: MemoryPolicy) -> Passes:
        """Videos of which nothing is remembered yet; the student's weights are not to change while they are made."""
        reason = why_not(student)
        if reason or not isinstance(student, WanTransformer):
            warnings.warn(f"engine=fast: this student streams by the reference, because {reason}", stacklevel=3)
            return PlainPasses(student, Remembered(policy))
        require("engine.linears", self.linears, student, next(student.parameters()).device)
        return FastPasses(student, policy, self)

    def kernel(self, student: CausalVelocityModel, policy: MemoryPolicy, chunk: Sequence[int]) -> str:
        """How attention is computed for chunks of this shape, and what else there might have been."""
        if not isinstance(student, WanTransformer) or self.attention != "probe":
            return self.attention if isinstance(student, WanTransformer) else SDPA
        return str(tried(shape_of(student, policy, chunk)))


def shape_of(student: WanTransformer, policy: MemoryPolicy, chunk: Sequence[int]) -> Shape:
    """What a chunk [frame, channel, height, width] attends to when the window is full; twice its own without one."""
    frames, _, height, width = chunk
    tokens = height * width // student.patch**2
    keys = policy.window_frames or 2 * frames
    device = next(student.parameters()).device.type
    return Shape(device, student.dtype, student.heads, frames * tokens, keys * tokens, student.head_dim)


class Waiting(NamedTuple):
    """A finished chunk whose context pass is still to come."""

    clean: Tensor
    prompt: Tensor


class Telling:
    """A student that tells its blocks of a prompt once for all passes with gradients."""

    def __init__(self, student: WanTransformer) -> None:
        self.student = student
        self.prompt: Tensor | None = None
        self.told: list[Told] = []

    def __call__(self, noisy: Latents, sigma: Tensor, prompt: Prompts, past: Past) -> Latents:
        """The velocity of a chunk."""
        if torch.is_grad_enabled() and prompt is not self.prompt:
            self.prompt, self.told = prompt, self.student.told(prompt)
        velocity: Latents = self.student(noisy, sigma, self.told if torch.is_grad_enabled() else prompt, past)
        return velocity


class FastPasses:
    """Passes over one batch of videos.

    The context pass waits for the first denoising pass of the next chunk, and both run as one. Where gradients are
    asked for, the plain passes run. Under autocast, products have its precision.
    """

    def __init__(self, student: WanTransformer, policy: MemoryPolicy, engine: Fast) -> None:
        self.student, self.policy, self.engine = student, policy, engine
        self.plain = PlainPasses(Telling(student), Remembered(policy))
        self.sink_learns = bool(learned(policy.sink))
        self.learns = self.sink_learns or any(parameter.requires_grad for parameter in student.parameters())
        self.waiting: Waiting | None = None
        self.watched = self.reusable = False
        self.made: tuple[FastNetwork, Remembering] | None = None
        self.recorded: Recorded | None = None

    def remembered(self) -> Remembered:
        """What is remembered; whoever asks may change it, and sees every context pass until the next denoising."""
        self._settle()
        self.watched = True
        return self.plain.memory

    def velocity(self, noisy: Latents, level: float, prompt: Prompts) -> Latents:
        """A denoising pass, and with the first of a chunk the context pass that waits for it."""
        if self._must_be_plain(noisy):
            self._settle()
            return self.plain.velocity(noisy, level, prompt)
        if self.made and self.reusable and level < self.engine.reuse:
            with torch.autocast(noisy.device.type, enabled=False):
                return self.made[0].again(noisy, level)
        waiting = self.waiting
        if waiting is None or waiting.prompt is not prompt or waiting.clean.shape != noisy.shape:
            self._settle()
            velocity = self._run([noisy], (level,), prompt)
        else:
            self.waiting = None
            velocity = self._run([waiting.clean, noisy], (CONTEXT, level), prompt)
        self.watched, self.reusable = False, True
        return denoised(velocity)

    def remember(self, clean: Latents, prompt: Prompts, *, learning: bool) -> None:
        """The context pass, sooner or later."""
        self._settle()
        self.reusable = False
        if (learning and self.sink_learns) or self._must_be_plain(clean):
            self.plain.remember(clean, prompt, learning=learning)
            return
        if self.made and self.made[1].kept and not self.watched:
            self.made[1].remember_kept()
            return
        self.waiting = Waiting(clean, prompt)
        if self.watched or not self.engine.fuse_context:
            self._settle()

    def _must_be_plain(self, latents: Latents) -> bool:
        other = self.made is not None and self.made[0].dtype != self._precision(latents)
        return (torch.is_grad_enabled() and self.learns) or other

    def _precision(self, latents: Latents) -> torch.dtype:
        kind = latents.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.student.dtype

    def _settle(self) -> None:
        """Run the context pass that waits, if one does."""
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            with torch.no_grad():
                self._run([waiting.clean], (CONTEXT,), waiting.prompt)

    def _run(self, chunks: list[Tensor], levels: tuple[float, ...], prompt: Prompts) -> Latents | None:
        self.made = self.made or self._make(chunks[0])
        network, memory = self.made
        run = partial(network.run, prompt=prompt, memory=memory, keeping=not self.engine.context_pass)
        with torch.autocast(chunks[0].device.type, enabled=False):
            if self.recorded is None or CONTEXT in levels:
                return run(chunks, levels)
            (noisy,) = chunks
            key = (levels, noisy.shape, noisy.dtype, network.places(noisy, memory))
            return self.recorded.run(key, prompt, noisy, lambda given: denoised(run([given], levels)))

    def _make(self, chunk: Latents) -> tuple[FastNetwork, Remembering]:
        """The network made ready for chunks like this, and rotated memories with room for its window."""
        student, dtype = self.student, self._precision(chunk)
        shape = replace(shape_of(student, self.policy, chunk.shape[1:]), dtype=dtype)
        attend, room = kernel_for(self.engine.attention, shape), shape.keys if self.policy.window_frames else 0
        with torch.no_grad():
            linear, reuses = linear_for(self.engine.linears), self.engine.reuse > 0
            how = arithmetic_for(self.engine.compile, shape.device)
            network = FastNetwork(student, attend, dtype, linear=linear, reuses=reuses, how=how)
        if self.engine.compile in WITH_GRAPHS and self.policy.window_frames and self.engine.context_pass:
            self.recorded = recorded_on(shape.device)
        return network, Remembering(self.plain.memory, student.layers, room)


def denoised(velocity: Latents | None) -> Latents:
    """What a pass over a noisy chunk gives: something."""
    assert velocity is not None
    return velocity
