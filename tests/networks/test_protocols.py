"""What rollouts and losses ask for is what the Wan transformer gives, and more can be given."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_forcing.losses.score_gap import compared
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import Past
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.networks.protocols import CausalVelocityModel, VelocityModel
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny


class Plain:
    """A velocity model of one layer: everything remembered pulls a chunk towards its mean."""

    def __call__(self, noisy: Tensor, sigma: Tensor, prompt: Tensor, past: Past) -> Tensor:
        known = past.read(0)
        pull = known.values.mean() if known else torch.zeros(())
        own = noisy.mean((2, 3, 4))[:, :, None, None, None]
        past.write(0, KV(own, own))
        return noisy - prompt.mean() * sigma.mean() - pull


def test_the_transformer_is_both() -> None:
    assert isinstance(tiny.network(), VelocityModel)
    assert isinstance(tiny.network(), CausalVelocityModel)
    assert not isinstance(object(), CausalVelocityModel)


def test_any_student_streams() -> None:
    """Neither the rollout nor the memory knows what a network is made of."""
    student = Plain()
    assert isinstance(student, CausalVelocityModel)
    memory = MemoryPolicy(sink=EMASink(frames=2, decay=0.5), window_frames=6, chunk_frames=2)
    noise = VideoNoise(((0,),), (2, 1, 2, 2))
    rollout = Rollout(levels=(1.0, 0.5), memory=memory)
    video = generate(rollout.stream(student, noise, always(tiny.prompts()), chunks=range(6)))
    assert video.shape == (1, 12, 1, 2, 2)
    assert video.isfinite().all()


def test_any_function_is_a_teacher() -> None:
    """One that thinks clean latents lie one higher than they do, against a fake score that is right."""
    clean, noise = tiny.latents(2, 3, 1), tiny.latents(2, 3, 2)

    def off_by(offset: float) -> Callable[..., Tensor]:
        return lambda noisy, *_: (noise - clean).repeat(len(noisy) // 2, 1, 1, 1, 1) - 2 * offset

    scores = compared(
        clean,
        noise,
        torch.full((2, 3), 0.5),
        prompt=tiny.prompts(2),
        negative=tiny.prompts(2),
        teacher=off_by(1.0),
        fake_score=off_by(0.0),
        guidance_scale=1.0,
    )
    torch.testing.assert_close(scores.gap, torch.full_like(clean, -1.0))
