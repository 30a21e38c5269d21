import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.losses.strategies.clipped_re_dmd import ClippedReDMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from tests.tiny import apart, judged, latents, normal


@given(beta=st.floats(0, 3), limit=st.floats(0.1, 5))
def test_weights_are_bounded(beta: float, limit: float) -> None:
    weights = ClippedReDMD(beta=beta, limit=limit).weights(judged(normal(50) * 20))
    bounds = (torch.tensor([-1.0, 1.0]) * beta * limit).exp()
    assert (weights >= bounds[0] * (1 - 1e-5)).all()
    assert (weights <= bounds[1] * (1 + 1e-5)).all()


def test_within_the_limit_it_is_re_dmd() -> None:
    clean, scores, samples = latents(3, 2, 1), apart(latents(3, 2, 2)), judged(normal(3).clamp(-2, 2))
    clipped, plain = ClippedReDMD(beta=1.5, limit=2.0), ReDMD(beta=1.5)
    assert torch.equal(clipped(clean, scores, samples), plain(clean, scores, samples))


def test_beyond_the_limit_the_reward_is_the_limit() -> None:
    weights = ClippedReDMD(beta=0.5, limit=2.0).weights(judged(torch.tensor([-9.0, 1.0, 9.0])))
    assert_close(weights, torch.tensor([-1.0, 0.5, 1.0]).exp())


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.beta is -1"):
        ClippedReDMD(beta=-1, limit=1)
    with pytest.raises(ValueError, match=r"loss\.limit is 0; it must be positive"):
        ClippedReDMD(beta=1, limit=0)
