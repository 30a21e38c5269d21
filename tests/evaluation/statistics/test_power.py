"""Numbers of prompts, checked by simulating the tests they are for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float

from evaluation.statistics.intervals import mcnemar_p, sign_flip_p, t_quantile
from evaluation.statistics.power import (
    USUAL,
    Demand,
    Noise,
    noise_of_flags,
    noise_of_pairs,
    noise_of_scores,
    power_of,
    prompts_needed,
    smallest_difference,
)

TRIALS = 400


def differences(
    rng: np.random.Generator, noise: Noise, delta: float, prompts: int, seeds: int, *, trials: int = TRIALS
) -> Float[np.ndarray, "prompt seed trial"]:
    shared, own = rng.normal(size=(prompts, 1, trials)), rng.normal(size=(prompts, seeds, trials))
    mixed = math.sqrt(noise.correlation) * shared + math.sqrt(1 - noise.correlation) * own
    return np.asarray(delta + noise.sd * mixed)


@pytest.mark.parametrize(
    ("noise", "delta", "seeds"),
    [(Noise(1, 0), 0.9, 1), (Noise(1, 0.3), 0.5, 4), (Noise(1, 0.7), 0.4, 5), (Noise(2, 0.5), 0.8, 3)],
)
def test_the_prompts_asked_for_have_the_power_stated(noise: Noise, delta: float, seeds: int) -> None:
    """Student's test in 4000 studies, and the sign-flip test of reports in 400."""
    prompts = prompts_needed(noise, delta, seeds=seeds)
    stated = power_of(noise, delta, prompts, seeds=seeds)
    means = differences(np.random.default_rng(0), noise, delta, prompts, seeds, trials=4000).mean(1)
    student = np.abs(means.mean(0)) > t_quantile(prompts - 1) * means.std(0, ddof=1) / math.sqrt(prompts)
    flipped = [sign_flip_p(study, resamples=1000) <= 0.05 for study in means.T[:TRIALS]]
    assert 0.8 <= stated <= 0.83
    assert student.mean() == pytest.approx(stated, abs=3 * math.sqrt(0.16 / 4000))
    assert np.mean(flipped) == pytest.approx(stated, abs=3 * math.sqrt(0.16 / TRIALS))


def test_other_numbers_of_prompts_have_other_powers() -> None:
    noise, rng = Noise(1, 0.4), np.random.default_rng(1)
    for prompts in (12, 24, 60):
        means = differences(rng, noise, 0.3, prompts, 2, trials=4000).mean(1)
        found = np.abs(means.mean(0)) > t_quantile(prompts - 1) * means.std(0, ddof=1) / math.sqrt(prompts)
        assert found.mean() == pytest.approx(power_of(noise, 0.3, prompts, seeds=2), abs=0.03)


@pytest.mark.parametrize(("share", "delta"), [(0.6, 0.1), (0.6, 0.25), (0.05, 0.2)])
def test_flags_need_so_many_prompts(share: float, delta: float) -> None:
    """Paired flags of two cells through a common normal variable; exact tests have the power asked for."""
    rng = np.random.default_rng(2)

    def flags(prompts: int) -> Float[np.ndarray, "cell prompt trial"]:
        common, own = rng.normal(size=(prompts, TRIALS)), rng.normal(size=(2, prompts, TRIALS))
        mixed = math.sqrt(0.5) * (common + own)
        ends = np.quantile(rng.normal(size=400_000), [share, share + delta])
        return np.asarray(mixed < ends[:, None, None], dtype=float)

    pilot = flags(1000)
    correlation = float(np.corrcoef(pilot[0].ravel(), pilot[1].ravel())[0, 1])
    noise = noise_of_flags(share, delta, correlation)
    assert noise.sd == pytest.approx((pilot[1] - pilot[0]).std(), rel=0.02)
    study = flags(prompts_needed(noise, delta))
    p_values = [mcnemar_p(trial) for trial in (study[1] - study[0]).T]
    assert 0.75 <= np.mean(np.array(p_values) <= 0.05) <= 0.91


def test_seeds_help_as_far_as_they_differ() -> None:
    """The half width of VBench's dynamic degree, 72 prompts x 5 seeds at a share of 0.66, in points."""
    sd = math.sqrt(0.66 * 0.34)
    widths = [196 * Noise(sd, r).of_prompt(5) / math.sqrt(72) for r in (0, 0.3, 0.6, 0.8)]
    assert widths == pytest.approx([4.9, 7.2, 9.0, 10.0], abs=0.06)
    assert Noise(sd, 1).of_prompt(5) == Noise(sd, 1).of_prompt(1)
    simulated = differences(np.random.default_rng(3), Noise(2, 0.3), 0, 100, 4).mean(1).std()
    assert simulated == pytest.approx(Noise(2, 0.3).of_prompt(4), rel=0.02)


NOISES = st.builds(Noise, st.floats(0.01, 10), st.floats(0, 1), st.booleans())


@given(NOISES, st.floats(0.05, 5), st.integers(1, 8), st.sampled_from([Demand(), Demand(0.9, 0.01)]))
def test_what_is_needed_can_be_seen_and_one_prompt_less_cannot(
    noise: Noise, delta: float, seeds: int, demand: Demand
) -> None:
    prompts = prompts_needed(noise, delta, seeds=seeds, demand=demand)
    assert smallest_difference(noise, prompts, seeds=seeds, demand=demand) <= delta
    assert power_of(noise, delta, prompts, seeds=seeds, demand=demand) >= demand.power - 1e-9
    if prompts > demand.fewest:
        assert smallest_difference(noise, prompts - 1, seeds=seeds, demand=demand) > delta
        assert power_of(noise, delta, prompts - 1, seeds=seeds, demand=demand) < demand.power
    assert prompts_needed(noise, -delta, seeds=seeds, demand=demand) == prompts


@given(NOISES, st.integers(6, 500), st.integers(1, 8))
def test_the_smallest_difference_is_found_with_the_power_asked_for(noise: Noise, prompts: int, seeds: int) -> None:
    delta = smallest_difference(noise, prompts, seeds=seeds)
    assert power_of(noise, delta, prompts, seeds=seeds) == pytest.approx(0.8)
    assert smallest_difference(noise, prompts + 1, seeds=seeds) < delta


def test_too_few_prompts_show_nothing() -> None:
    """Five prompts that all agree have a sign-flip p-value of 2 / 32."""
    assert USUAL.fewest == 6
    assert sign_flip_p(np.ones(5)) > 0.05 >= sign_flip_p(np.ones(6))
    assert prompts_needed(Noise(0.01), 100) == 6
    with pytest.raises(ValueError, match=r"prompts are 5; at alpha 0.05 allowed: 6 or more"):
        power_of(Noise(1), 1, 5)


def test_a_pilot_tells_its_noise() -> None:
    """Analysis of variance finds both parts, with as many seeds under each prompt as there are, and gaps."""
    rng = np.random.default_rng(4)
    noise = Noise(1.5, 0.4)
    table = differences(rng, noise, 0.7, 400, 5, trials=1)[:, :, 0]
    table[rng.random(table.shape) < 0.2] = np.nan
    found = noise_of_pairs(table.ravel(), [f"{prompt}" for prompt in range(400) for _ in range(5)])
    assert found.sd == pytest.approx(1.5, rel=0.05)
    assert found.correlation == pytest.approx(0.4, abs=0.06)


def test_a_small_pilot_by_hand() -> None:
    """Means 2 and 6 of two each: between 16, within 2, so 7 are shared of 9."""
    found = noise_of_pairs(np.array([1.0, 3, 5, 7, np.nan]), ["a", "a", "b", "b", "c"], flags=True)
    assert found.sd == pytest.approx(3)
    assert found.correlation == pytest.approx(7 / 9)
    assert found.flags
    opposed = noise_of_pairs(np.array([-1.0, 1, -1, 1]), ["a", "a", "b", "b"])
    assert opposed.correlation == 0


def test_with_one_seed_a_prompt_more_seeds_promise_nothing() -> None:
    values = np.random.default_rng(5).normal(size=20)
    found = noise_of_pairs(values, [f"{i}" for i in range(20)])
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.correlation == 1


def test_scores_that_correlate_leave_small_differences() -> None:
    rng = np.random.default_rng(6)
    common, own = rng.normal(size=20_000), rng.normal(size=(2, 20_000))
    pair = 3 * (math.sqrt(0.8) * common + math.sqrt(0.2) * own)
    assert noise_of_scores(3, 0.8).sd == pytest.approx((pair[0] - pair[1]).std(), rel=0.02)
    assert noise_of_scores(3).sd == pytest.approx(3 * math.sqrt(2))


def test_wrong_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="delta is 0; it must not be 0"):
        prompts_needed(Noise(1), 0)
    with pytest.raises(ValueError, match="seeds are 0; allowed: 1 or more"):
        prompts_needed(Noise(1), 1, seeds=0)
    with pytest.raises(ValueError, match="sd is 0; it must be above 0"):
        noise_of_pairs(np.array([0.5, 0.5, 0.5]), ["a", "b", "c"])
    with pytest.raises(ValueError, match="the pilot has differences on 1 prompts; allowed: 2 or more"):
        noise_of_pairs(np.array([0.5, np.nan]), ["a", "b"])
    with pytest.raises(ValueError, match="correlation of seeds is 1.5; it must be within"):
        Noise(1, 1.5)
    with pytest.raises(ValueError, match="correlation is 1; it must be within"):
        noise_of_scores(1, 1)
    with pytest.raises(ValueError, match="proportion is 0.9, with delta 1.1; both must be within"):
        noise_of_flags(0.9, 0.2)
    with pytest.raises(
        ValueError, match=r"correlation is 0.9; of flags with shares 0.1 and 0.5 it is \[-0.333, 0.333\]"
    ):
        noise_of_flags(0.1, 0.4, 0.9)
    with pytest.raises(ValueError, match="power is 0.01; it must be within"):
        Demand(power=0.01)
    with pytest.raises(ValueError, match="alpha is 0; it must be within"):
        Demand(alpha=0)
