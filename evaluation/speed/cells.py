"""What can be timed: exported students under each way to remember, teachers, and the streams of others."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from evaluation.speed.clocks import Watch
from evaluation.speed.environment import attention, digest
from evaluation.speed.harness import Cell, Stream
from evaluation.speed.runs import DECODE, DENOISE, TEXT
from evaluation.speed.work import Work, decoding_flops, work_of
from reward_forcing.codecs.protocols import LatentCodec, TextEncoder
from reward_forcing.engine.attention import SDPA
from reward_forcing.generate import Teaching
from reward_forcing.plan.costs import Sizes
from reward_forcing.shapes import Latents, Prompts, Video
from reward_forcing.streaming import Streamer


@dataclass(frozen=True)
class TimedText:
    """A text encoder whose work is a stage."""

    encoder: TextEncoder
    watch: Watch

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """As the encoder."""
        with self.watch.stage(TEXT):
            return self.encoder(prompts)

    def prepare(self, prompts: Sequence[str]) -> None:
        """As the encoder."""
        self.encoder.prepare(prompts)


@dataclass(frozen=True)
class TimedCodec:
    """A codec whose decoding is a stage."""

    codec: LatentCodec
    watch: Watch

    @property
    def _decoding(self) -> AbstractContextManager[None]:
        return self.watch.stage(DECODE)

    def encode(self, video: Video) -> Latents:
        """As the codec."""
        return self.codec.encode(video)

    def encode_parts(self, parts: Iterator[Video]) -> Iterator[Latents]:
        """As the codec."""
        return self.codec.encode_parts(parts)

    def decode(self, latents: Latents) -> Video:
        """As the codec."""
        with self._decoding:
            return self.codec.decode(latents)

    def decode_next(self, latents: Latents, past: Any = None) -> tuple[Video, Any]:
        """As the codec."""
        with self._decoding:
            return self.codec.decode_next(latents, past)

    def video_frames(self, frames: int) -> int:
        """As the codec."""
        return self.codec.video_frames(frames)

    def to(self, device: torch.device | str, /) -> "TimedCodec":
        """The same, computing there."""
        return replace(self, codec=self.codec.to(device))


def timed(streamer: Streamer, watch: Watch) -> Streamer:
    """The same streamer, telling its stages to a watch."""
    return replace(streamer, text=TimedText(streamer.text, watch), codec=TimedCodec(streamer.codec, watch))


def student_cell(
    name: str, streamer: Streamer, watch: Watch, *, prompt: str, seed: int = 0, chunks: int, analyse: bool = True
) -> Cell:
    """A student that streams one video.

    Args:
        name: of the cell.
        streamer: to time.
        watch: that gets its stages.
        prompt: what it shows.
        seed: of its noise.
        chunks: of a video.
        analyse: whether its work is counted, too; that decodes two chunks.
    """
    marked = timed(streamer, watch)
    window, chunk = streamer.rollout.memory.window_frames, streamer.geometry.chunk_frames
    return Cell(
        name=name,
        start=lambda: marked.stream([prompt], [seed], chunks=chunks),
        ramp=window // chunk if window else 1,
        rest=DENOISE,
        prompt=prompt,
        settings=settings_of(streamer) | {"chunks": chunks, "prompt": prompt, "seed": seed},
        work=_work(streamer, prompt, chunks) if analyse else None,
    )


def teacher_cell(name: str, streamer: Streamer, watch: Watch, *, prompt: str, seed: int, teaching: Teaching) -> Cell:
    """A teacher that samples a clip, which is one chunk."""
    marked = timed(streamer, watch)
    how: dict[str, Any] = vars(teaching)

    def start() -> Iterator[Video]:
        yield marked.sample([prompt], [seed], **how)

    settings = settings_of(streamer) | {"prompt": prompt, "seed": seed, **how}
    return Cell(name=name, start=start, ramp=0, rest=DENOISE, prompt=prompt, settings=settings)


def settings_of(streamer: Streamer) -> dict[str, Any]:
    """What the times of a streamer depend on besides the machine."""
    geometry, network = streamer.geometry, streamer.network
    device, rollout = str(streamer.device), streamer.rollout
    kernel = rollout.engine.kernel(network, rollout.memory, geometry.chunk_shape)
    rough = [f"{key}={value}" for key, value in rollout.engine.approximations.items()]
    return {
        **streamer.memory,
        "levels": list(streamer.rollout.levels),
        "chunk_frames": geometry.chunk_frames,
        "latent": f"{geometry.channels} x {geometry.height} x {geometry.width}",
        "dtype": str(network.dtype).removeprefix("torch."),
        "engine": ", ".join([type(rollout.engine).__name__.lower(), *rough]),
        "attention": attention(device, network.dtype, network.head_dim) if kernel == SDPA else kernel,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "export": str(streamer.about.get("export", "")),
        "config": digest({"sizes": network.sizes, "memory": streamer.memory, "about": dict(streamer.about)}),
    }


def _work(streamer: Streamer, prompt: str, chunks: int) -> Work:
    network, geometry = streamer.network, streamer.geometry
    return work_of(
        Sizes(**network.sizes),
        geometry,
        streamer.rollout,
        chunks=chunks,
        words=streamer.text([prompt]).shape[1],
        width=network.dtype.itemsize,
        decode=decoding_flops(streamer.codec, geometry, streamer.device),
    )


def foreign_cell(spec: str) -> Cell:
    """The stream of any callable, `package.module:function`; modules in the working folder are found, too.

    `function()` starts a fresh video and returns an iterator of chunks; see `harness.Stream`. It need not know us.

    Raises:
        ValueError: there is no such module or function.
    """
    module, colon, name = spec.partition(":")
    if not colon or not module or not name:
        raise ValueError(f"stream is {spec!r}; write package.module:function")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ValueError(f"stream {spec}: the module {module!r} cannot be imported ({error})") from error
    finally:
        sys.path.remove(here)
    start: Stream | None = found if callable(found) else None
    if start is None:
        raise ValueError(f"stream {spec}: {module} has no function {name!r}")
    return Cell(name=spec, start=start)
