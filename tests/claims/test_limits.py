"""Both ideas contain what they extend, bit for bit: decay 1 is a static sink, beta 0 is DMD."""

from dataclasses import replace

import pytest
import torch

from tests import tiny
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
