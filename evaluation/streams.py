"""Streams to be timed: what a student and a teacher deliver, decoded to levels 0 to 255 in the computer's memory."""

from collections.abc import Iterator

import torch
from jaxtyping import UInt8
from torch import Tensor

from evaluation.speed import Stream
from reward_forcing import rollout, sampling
from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.networks.protocols import CausalVelocityModel, VelocityModel
from reward_forcing.shapes import Latents, Prompts
from reward_forcing.videos import to_uint8


def student_stream(
    student: CausalVelocityModel,
    how: rollout.Rollout,
    codec: LatentCodec,
    *,
    noise: rollout.Noise,
    prompt: Prompts,
    chunks: int,
) -> Stream:
    """A student's video, chunk after chunk: denoising, context pass, decoding."""

    @torch.no_grad()
    def start() -> Iterator[UInt8[Tensor, "batch video_frame 3 height width"]]:
        for clean in how.stream(student, noise, rollout.always(prompt), chunks=range(chunks)):
            yield to_uint8(codec.decode(clean)).cpu()

    return start


def teacher_stream(
    teacher: VelocityModel,
    codec: LatentCodec,
    noise: Latents,
    *,
    prompt: Prompts,
    negative: Prompts,
    steps: int,
    guidance_scale: float,
    shift_factor: float,
) -> Stream:
    """A teacher's clip as one chunk: it is finished only as a whole."""

    @torch.no_grad()
    def start() -> Iterator[UInt8[Tensor, "batch video_frame 3 height width"]]:
        clean = sampling.sample(
            teacher,
            noise,
            prompt=prompt,
            negative=negative,
            steps=steps,
            guidance_scale=guidance_scale,
            shift_factor=shift_factor,
        )
        yield to_uint8(codec.decode(clean)).cpu()

    return start
