import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.losses.weights import (
    LARGEST_EXPONENT,
    capped,
    effective_sample_size,
    exponential,
    largest_share,
    require_beta,
    require_share,
)

LOGITS = st.lists(st.floats(-5, 5), min_size=1, max_size=8)


@pytest.mark.parametrize(("weights", "size"), [([1, 1, 1, 1], 4), ([1, 0, 0], 1), ([2, 1], 1.8), ([5], 1), ([0, 0], 0)])
def test_effective_sample_size(weights: list[float], size: float) -> None:
    assert effective_sample_size(torch.tensor(weights).float()).item() == pytest.approx(size)


@given(logits=LOGITS, scale=st.floats(0.1, 10))
def test_effective_sample_size_is_between_one_and_the_batch(logits: list[float], scale: float) -> None:
    weights = torch.tensor(logits).exp()
    size = effective_sample_size(weights)
    assert 1 - 1e-5 <= size <= len(logits) * (1 + 1e-5)
    assert_close(effective_sample_size(scale * weights), size)


def test_weights_of_both_signs_cancel() -> None:
    weights = torch.tensor([1.0, -1.0, 2.0])
    assert effective_sample_size(weights).item() == pytest.approx(4 / 6)
    assert largest_share(weights).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("weights", "share"), [([1, 1, 1, 1], 0.25), ([3, 1], 0.75), ([0, 0], 0)])
def test_largest_share(weights: list[float], share: float) -> None:
    assert largest_share(torch.tensor(weights).float()).item() == pytest.approx(share)


@given(logits=LOGITS, share=st.floats(0.05, 1))
def test_nothing_is_above_the_cap_and_the_rest_stays(logits: list[float], share: float) -> None:
    weights = torch.tensor(logits, dtype=torch.float64).exp()
    cut = capped(weights, share)
    allowed = max(share, 1 / len(weights))
    assert largest_share(cut) <= allowed + 1e-6
    kept = cut < cut.max() - 1e-9
    assert torch.equal(cut[kept], weights[kept])
    assert (cut <= weights).all()


def test_the_cap_is_no_lower_than_it_must_be() -> None:
    """10 has 10 / 14 of the sum; cut to 4, it has half of it."""
    assert capped(torch.tensor([10.0, 3.0, 1.0]), 0.5).tolist() == [4.0, 3.0, 1.0]
    assert capped(torch.tensor([10.0, 9.0, 1.0]), 0.4).tolist() == pytest.approx([2.0, 2.0, 1.0])
    assert capped(torch.tensor([10.0, 3.0, 1.0]), 0.9).tolist() == [10.0, 3.0, 1.0]
    assert capped(torch.tensor([10.0, 3.0, 1.0]), 0.2).tolist() == [1.0, 1.0, 1.0]


def test_the_exponential_never_overflows() -> None:
    exponents = torch.tensor([-200.0, 0.0, 1.0, LARGEST_EXPONENT, 500.0])
    assert_close(exponential(exponents), torch.tensor([0.0, 1.0, 2.718282, 5.540622e34, 5.540622e34]))


def test_what_cannot_be_is_refused() -> None:
    require_beta(0.0)
    require_share("share", 1.0)
    with pytest.raises(ValueError, match=r"loss\.beta is -1.*at least 0"):
        require_beta(-1.0)
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"loss\.share is {share}; it must be above 0 and at most 1"):
            require_share("share", share)
