"""Show what a network generates while it learns: animated in TensorBoard, as filmstrips in the run's folder."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from reward_forcing import seeding, videos
from reward_forcing.codecs.protocols import LatentCodec, TextEncoder
from reward_forcing.modules.sharding import is_sharded
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.sampling import sample
from reward_forcing.shapes import Geometry, Latents, Prompts, Video

Sampler: TypeAlias = Callable[[Any, Prompts, Prompts, int], Latents]
"""`sampler(module, prompt, negative, seed)`: one clip a prompt."""


DECODED_AT_ONCE = 3
"""Latent frames."""


@dataclass(frozen=True, kw_only=True)
class StudentSampler:
    """Streams the averaged student.

    Args:
        rollout: how it generates.
        geometry: sizes of a chunk.
        chunks: length of the clips.
    """

    rollout: Rollout
    geometry: Geometry
    chunks: int

    def __call__(self, module: Any, prompt: Prompts, negative: Prompts, seed: int) -> Latents:
        """Clips of `module.student_ema`, every one with noise of its own."""
        keys = tuple((seed, "sample", index) for index in range(len(prompt)))
        noise = seeding.VideoNoise(keys, self.geometry.chunk_shape, prompt.device)
        return generate(self.rollout.stream(module.student_ema, noise, always(prompt), chunks=range(self.chunks)))


@dataclass(frozen=True, kw_only=True)
class TeacherSampler:
    """Integrates the averaged teacher's velocity under guidance.

    Args:
        geometry: sizes of a clip.
        steps: Euler steps.
        guidance_scale: in the standard convention.
        shift: how far the steps lean towards noise.
    """

    geometry: Geometry
    steps: int
    guidance_scale: float
    shift: float

    def __call__(self, module: Any, prompt: Prompts, negative: Prompts, seed: int) -> Latents:
        """Clips of `module.teacher_ema`."""
        shape = (len(prompt), *self.geometry.clip_shape)
        noise = torch.randn(shape, generator=seeding.generator(seed, "sample")).to(prompt.device)
        return sample(
            module.teacher_ema,
            noise,
            prompt=prompt,
            negative=negative,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            shift_factor=self.shift,
        )


class SampleVideos(Callback):
    """Generates the same prompts from the same noise every so many steps.

    Args:
        every: steps between two looks.
        prompts: what to generate.
        sampler: how.
        codec: latents to pixels.
        text: prompts to embeddings.
        seed: of the noise.
        fps: video frames a second when played.
        scale: enlargement of small frames.
    """

    def __init__(
        self,
        *,
        every: int,
        prompts: Sequence[str],
        sampler: Sampler,
        codec: LatentCodec,
        text: TextEncoder,
        seed: int,
        fps: float,
        scale: int = 1,
    ) -> None:
        if every < 1:
            raise ValueError(f"callbacks.sample_videos.every is {every}; it must be at least 1")
        self.every, self.prompts, self.sampler = every, list(prompts), sampler
        self.codec, self.text, self.seed, self.fps, self.scale = codec, text, seed, fps, scale

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Generate and show, when it is time."""
        if trainer.global_step % self.every or not (trainer.is_global_zero or is_sharded(pl_module)):
            return
        with torch.no_grad():
            prompt = self.text(self.prompts).to(pl_module.device)
            negative = self.text([""] * len(self.prompts)).to(pl_module.device)
            latents = self.sampler(pl_module, prompt, negative, self.seed)
        if trainer.is_global_zero:
            self._show(trainer, latents)

    def _show(self, trainer: Trainer, latents: Latents) -> None:
        pixels = videos.to_uint8(decoded(self.codec.to(latents.device), latents))
        wall = videos.Clip(torch.cat(list(pixels.cpu()), -1), self.fps)
        folder = Path(trainer.default_root_dir) / "samples"
        videos.write_filmstrip(folder / f"step={trainer.global_step}.png", wall, count=6, scale=self.scale)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                show_animation(logger, "samples", wall, trainer.global_step, self.scale)


@torch.no_grad()
def decoded(codec: LatentCodec, latents: Latents) -> Video:
    """A clip in pixels, on the CPU; decoded as a stream, so that the memory it takes does not grow with its length."""
    parts, past = [], None
    for chunk in latents.split(DECODED_AT_ONCE, 1):
        video, past = codec.decode_next(chunk, past)
        parts.append(video.cpu())
    return torch.cat(parts, 1)


def show_animation(logger: TensorBoardLogger, tag: str, clip: videos.Clip, step: int, scale: int) -> None:
    """Write a clip to TensorBoard as an animated image."""
    logger.experiment._get_file_writer().add_summary(videos.animation(tag, clip, scale), step)
