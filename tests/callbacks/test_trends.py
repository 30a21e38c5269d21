import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.callbacks.trends import Change, betrayed, change


def noise(looks: int, samples: int, seed: int) -> torch.Tensor:
    return torch.randn(looks, samples, generator=torch.Generator().manual_seed(seed))


@given(slope=st.floats(-5, 5), looks=st.integers(3, 9), samples=st.integers(2, 6))
def test_a_straight_line_is_found_exactly(slope: float, looks: int, samples: int) -> None:
    start = torch.arange(samples, dtype=torch.float64)
    values = start + slope * torch.arange(looks, dtype=torch.float64)[:, None]
    found = change(values)
    assert found.amount == pytest.approx(slope * (looks - 1), abs=1e-9)
    assert found.error == pytest.approx(0, abs=1e-7)


def test_both_errors_are_those_of_the_textbook() -> None:
    """Samples that differ in slope but not in noise; and samples that all wobble together."""
    values = torch.arange(5.0)[:, None] * torch.tensor([0.0, 1.0, 2.0])
    assert change(values).error == pytest.approx(4.0 * 1.0 / math.sqrt(3))
    wobble = torch.tensor([0.0, 1.0, -1.0, 1.0, 0.0])
    x = np.arange(5.0)
    _, residuals, *_ = np.polyfit(x, wobble.numpy(), 1, full=True)
    expected = 4 * math.sqrt(residuals[0] / 3 / ((x - x.mean()) ** 2).sum())
    assert change(wobble[:, None].expand(5, 4).clone()).error == pytest.approx(expected)


def test_levels_do_not_matter() -> None:
    values = noise(5, 8, 0).double()
    shifted = values + 100 * torch.arange(8)
    assert change(shifted).amount == pytest.approx(change(values).amount)
    assert change(shifted).error == pytest.approx(change(values).error)


def test_samples_with_gaps_are_left_out() -> None:
    values = noise(5, 6, 1)
    gappy = torch.cat([values, values[:, :1]], 1)
    gappy[2, -1] = torch.nan
    assert change(gappy) == change(values)


@pytest.mark.parametrize(("looks", "samples"), [(2, 5), (5, 1), (0, 0)])
def test_too_little_says_nothing(looks: int, samples: int) -> None:
    found = change(torch.zeros(looks, samples))
    assert found == Change(0.0, math.inf)
    assert not found.risen(1e-9)
    assert not found.fallen(1e-9)


def test_what_does_not_change_has_neither_risen_nor_fallen() -> None:
    still = change(torch.zeros(5, 4))
    assert (still.risen(3.0), still.fallen(3.0)) == (False, False)


def test_noise_is_seldom_taken_for_hacking_and_a_real_trend_nearly_always_found() -> None:
    """400 trainings without a trend, and as many in which metric and reward part by twice the noise a look."""
    alarms, found = 0, 0
    rising = 2 * torch.arange(5.0)[:, None]
    for seed in range(400):
        common = noise(5, 1, 3 * seed)  # training moves all samples together
        reward, metric = (noise(5, 16, 3 * seed + index) + common for index in (1, 2))
        alarms += bool(betrayed(change(reward), {"metric": change(metric)}, 3.0))
        found += bool(betrayed(change(reward + rising), {"metric": change(metric - rising)}, 3.0))
    assert alarms <= 4
    assert found >= 340


@pytest.mark.parametrize(("reward", "metric"), product((-1.0, 0.0, 1.0), repeat=2))
def test_only_a_rising_reward_is_betrayed_by_what_falls(reward: float, metric: float) -> None:
    found = betrayed(Change(reward, 0.1), {"kept": Change(0.05, 0.1), "metric": Change(metric, 0.1)}, 3.0)
    assert found == (["metric"] if reward > 0 > metric else [])


@given(amount=st.floats(-9, 9), error=st.floats(0.01, 2))
def test_other_units_give_the_same_verdict_and_other_signs_the_opposite(amount: float, error: float) -> None:
    one, scaled, turned = (Change(amount, error).times(factor) for factor in (1.0, 3.0, -1.0))
    assert (one.risen(2.0), one.fallen(2.0)) == (scaled.risen(2.0), scaled.fallen(2.0))
    assert (one.risen(2.0), one.fallen(2.0)) == (turned.fallen(2.0), turned.risen(2.0))


def test_a_change_is_told_with_its_error() -> None:
    assert str(Change(-0.1234, 0.0456)) == "-0.123 ± 0.046"
