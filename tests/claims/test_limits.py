"""Both ideas contain what they extend, bit for bit: decay 1 is a static sink, beta 0 is DMD."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from reward_forcing.composition.configuration import build, compose
from reward_forcing.modules.distillation import Distillation
from tests import tiny
from tests.claims.losses import trained
from tests.claims.streams import CHUNK, EMA, STATIC, rollout, video

CHUNKS = 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decay_one_is_a_static_sink(dtype: torch.dtype) -> None:
    """Also where the average is kept in fp32 and read in bf16."""
    student = tiny.network().to(dtype)
    static, ema = (video(rollout(sink), student, CHUNKS) for sink in (STATIC, replace(EMA, decay=1.0)))
    assert torch.equal(static, ema)
    moving = video(rollout(EMA), student, CHUNKS)
    assert torch.equal(static[:, : 3 * CHUNK], moving[:, : 3 * CHUNK])
    assert not torch.equal(static[:, 3 * CHUNK :], moving[:, 3 * CHUNK :])


def test_beta_zero_is_dmd() -> None:
    """Students, averages, fake scores and what the optimisers keep, after two turns of each."""
    plain, rewarded = (
        trained(build(compose(chosen), "loss"), 6)[0] for chosen in (["loss=dmd"], ["loss=re_dmd", "loss.beta=0"])
    )
    assert all(torch.equal(*pair) for pair in zip(everything(plain), everything(rewarded), strict=True))
    sharp = trained(build(compose(["loss=re_dmd", "loss.beta=9"]), "loss"), 6)[0]
    assert not all(torch.equal(*pair) for pair in zip(everything(plain), everything(sharp), strict=True))


def everything(module: Distillation) -> list[Tensor]:
    """All that a checkpoint would hold of weights and optimisers."""
    optimizers = module.optimizers()
    assert isinstance(optimizers, list)
    kept = tree_leaves([optimizer.state_dict() for optimizer in optimizers])
    return [*module.state_dict().values(), *(value for value in kept if isinstance(value, Tensor))]
