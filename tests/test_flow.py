import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing import flow, seeding
from tests import tiny

POSITIONS = [0, 1, 10, 100, 250, 500, 750, 900, 990, 999]
SIGMAS = {
    5: [1, 0.9997998, 0.9979838, 0.9782609, 0.9375, 0.8333333, 0.625, 0.3571429, 0.0480769, 0.0049801],
    8: [1, 0.9998749, 0.9987389, 0.9863014, 0.96, 0.8888889, 0.7272727, 0.4705882, 0.0747664, 0.0079444],
}
"""The shifted table of 1000 noise levels, at `POSITIONS`."""


def test_noisy_frames_lie_on_the_straight_path() -> None:
    clean, noise = tiny.latents(frames=3, seed=1), tiny.latents(frames=3, seed=2)
    noisy = flow.add_noise(clean, noise, torch.tensor([[0.0, 0.25, 1.0]]))
    assert torch.equal(noisy[:, 0], clean[:, 0])
    assert torch.equal(noisy[:, 2], noise[:, 2])
    assert_close(noisy[:, 1], 0.75 * clean[:, 1] + 0.25 * noise[:, 1])


@given(seed=st.integers(0, 100))
def test_the_true_velocity_leads_back_to_the_clean_latents(seed: int) -> None:
    clean, noise = tiny.latents(2, 4, seed), tiny.latents(2, 4, seed + 1)
    sigma = tiny.sigmas(2, 4, seed)
    noisy = flow.add_noise(clean, noise, sigma)
    assert_close(flow.to_clean(noisy, flow.to_velocity(clean, noise), sigma), clean)


def test_the_velocity_is_the_derivative_of_the_path() -> None:
    clean, noise = tiny.latents(seed=1).double(), tiny.latents(seed=2).double()
    sigma = torch.full((1, 3), 0.3).double()
    _, *derivative = torch.func.jvp(
        lambda level: flow.add_noise(clean, noise, level), (sigma,), (torch.ones_like(sigma),)
    )
    assert_close(derivative[0], flow.to_velocity(clean, noise))


@given(factor=st.floats(0.2, 20))
def test_shifting_keeps_the_ends_and_the_order_and_is_undone_by_the_inverse_factor(factor: float) -> None:
    sigma = torch.linspace(0, 1, 50, dtype=torch.float64)
    shifted = flow.shift(sigma, factor)
    assert shifted[0] == 0
    assert shifted[-1] == pytest.approx(1)
    assert (shifted.diff() > 0).all()
    assert_close(flow.shift(shifted, 1 / factor), sigma)


def test_a_larger_factor_shifts_further_and_one_leaves_alone() -> None:
    sigma = torch.linspace(0.01, 0.99, 9)
    assert torch.equal(flow.shift(sigma, 1), sigma)
    assert (flow.shift(sigma, 8) > flow.shift(sigma, 5)).all()
    assert (flow.shift(sigma, 5) > sigma).all()


@pytest.mark.parametrize("factor", [0, -1.0])
def test_factors_are_positive(factor: float) -> None:
    with pytest.raises(ValueError, match="factor is .* must be positive"):
        flow.shift(torch.ones(1), factor)


@pytest.mark.parametrize(
    ("steps", "factor", "timesteps"),
    [
        (4, 5, [1000, 937.5, 833.3333, 625]),
        (4, 8, [1000, 960, 888.8889, 727.2727]),
        (5, 5, [1000, 952.381, 882.353, 769.231, 555.556]),
        (1, 3, [1000]),
    ],
)
def test_few_step_levels(steps: int, factor: float, timesteps: list[float]) -> None:
    assert [1000 * level for level in flow.denoising_levels(steps, factor)] == pytest.approx(timesteps, rel=1e-6)


def test_there_is_at_least_one_step() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        flow.denoising_levels(0, 5)


@pytest.mark.parametrize("factor", SIGMAS)
def test_the_table_of_noise_levels(factor: int) -> None:
    table = flow.schedule(1000, factor)
    assert table.dtype == torch.float32
    assert_close(table[POSITIONS], torch.tensor(SIGMAS[factor]), atol=1.2e-7, rtol=0)


def test_the_bell_of_training_weights() -> None:
    weights = flow.bell_weights(flow.schedule(1000, 5))
    expected = torch.tensor([0, 0.13907, 0.39795, 1.02486, 1.91404, 2.0764, 1.86535, 0.03188])
    assert_close(weights[[0, 100, 250, 500, 750, 833, 900, 999]], expected, atol=6e-6, rtol=0)
    assert_close(weights.mean(), torch.tensor(1.0))
    assert weights.min() == 0


def test_the_released_law_of_noise_levels() -> None:
    """Table entries clamped to timesteps 20..980: 5 of 1000 at the lower bound, 92 at the upper."""
    timesteps = 1000 * flow.shift(torch.arange(1000).double() / 1000, 5).clamp(0.02, 0.98)
    expected = [20, 24.5098, 357.1429, 625, 833.3333, 937.5, 979.9049, 980]
    assert timesteps[[0, 5, 100, 250, 500, 750, 907, 908]].tolist() == pytest.approx(expected, rel=1e-6)
    assert (timesteps == 980).sum() == 92
    assert (timesteps == 20).sum() == 5


def test_random_levels_follow_that_law() -> None:
    drawn = flow.random_sigma((20_000,), seeding.generator(0), factor=5, low=0.02, high=0.98)
    quantiles = torch.tensor([0.1, 0.25, 0.5, 0.75])
    assert_close(drawn.quantile(quantiles), flow.shift(quantiles, 5), atol=0.02, rtol=0)
    assert drawn.min() >= 0.02
    assert (drawn == 0.98).float().mean() == pytest.approx(0.0926, abs=0.01)


def test_random_levels_are_a_function_of_their_generator() -> None:
    first, second = (flow.random_sigma((2, 3), seeding.generator(7), factor=3) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 1.0), (0.0, 1.1), (0.6, 0.4)])
def test_bounds_are_ordered(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="bounds are"):
        flow.random_sigma((1,), seeding.generator(0), factor=1, low=low, high=high)


@given(batch=st.integers(1, 40), seed=st.integers(0, 100))
def test_stratified_levels_come_one_from_each_part(batch: int, seed: int) -> None:
    levels = flow.stratified_sigma(batch, seeding.generator(seed), factor=1.0)
    assert sorted((levels.double() * batch).floor().int().clamp(max=batch - 1).tolist()) == list(range(batch))


def test_stratified_levels_are_shifted() -> None:
    plain = flow.stratified_sigma(8, seeding.generator(0), factor=1.0)
    torch.testing.assert_close(flow.stratified_sigma(8, seeding.generator(0), factor=3.0), flow.shift(plain, 3.0))
