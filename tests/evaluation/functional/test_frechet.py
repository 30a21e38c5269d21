"""The Fréchet distance in cases that have a closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.frechet import Gaussian, frechet, gaussian


def drawn(seed: int, rows: int = 40, features: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=generator)
    return torch.randn(rows, features, generator=generator) @ mixing + torch.randn(features, generator=generator)


def test_mean_and_covariance_are_numpys() -> None:
    rows = drawn(0)
    found = gaussian(rows, least=0.5)
    assert found.mean == pytest.approx(rows.double().mean(0))
    assert found.covariance == pytest.approx(torch.cov(rows.double().T) + 0.25 * torch.eye(3))
    with pytest.raises(ValueError, match="1 rows; at least 2"):
        gaussian(rows[:1])


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.1, 3)), min_size=1, max_size=4))
def test_independent_features_by_closed_form(features: list[tuple[float, float, float]]) -> None:
    """Every feature adds the squares of the differences of means and of standard deviations."""
    step, one, other = torch.tensor(features, dtype=torch.float64).T
    a, b = Gaussian(step, torch.diag(one**2)), Gaussian(torch.zeros_like(step), torch.diag(other**2))
    assert frechet(a, b) == pytest.approx(float((step**2 + (one - other) ** 2).sum()), abs=1e-8)


@given(st.integers(0, 50))
def test_symmetric_zero_for_equals_and_blind_to_rotation(seed: int) -> None:
    one, other = drawn(seed), drawn(seed + 100)
    turn = torch.linalg.qr(drawn(seed + 200, 3).double()).Q.float()
    a, b = gaussian(one), gaussian(other)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-5)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(gaussian(one @ turn), gaussian(other @ turn)) == pytest.approx(frechet(a, b), rel=1e-3)


def test_units_take_scales_out() -> None:
    one, other, scale = drawn(1), drawn(2), torch.tensor([1.0, 10, 0.1])
    plain = gaussian(one).in_units_of(gaussian(other))
    scaled = gaussian(one * scale).in_units_of(gaussian(other * scale))
    assert scaled.mean == pytest.approx(plain.mean, rel=1e-4)
    assert scaled.covariance == pytest.approx(plain.covariance, rel=1e-4)
    own = gaussian(other).in_units_of(gaussian(other))
    assert own.covariance.diagonal() == pytest.approx(torch.ones(3).double())
