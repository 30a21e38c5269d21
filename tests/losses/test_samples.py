import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.losses.samples import History
from tests.tiny import judged, normal


def test_nothing_is_known_at_the_start() -> None:
    assert History.start().standardised(normal(4)).tolist() == [0, 0, 0, 0]


@given(decay=st.floats(0, 0.99), steps=st.integers(1, 6))
def test_history_is_a_weighted_mean_and_variance_of_all_rewards(decay: float, steps: int) -> None:
    """Of every step's rewards, counted `decay` times less for each step since."""
    rewards = [normal(3, seed=step) + step for step in range(steps)]
    history = History.start()
    for batch in rewards:
        history = history.after(batch, decay)
    counts = torch.tensor([decay ** (steps - 1 - step) for step in range(steps)]).repeat_interleave(3)
    counts = counts / counts.sum()
    every = torch.cat(rewards)
    mean = (counts * every).sum()
    assert_close(history.mean, mean, atol=1e-4, rtol=1e-4)
    assert_close(history.variance, (counts * (every - mean).square()).sum(), atol=1e-4, rtol=1e-4)
    assert_close(history.weight, torch.tensor(1 - decay**steps), atol=1e-5, rtol=1e-4)


def test_standardised_rewards_have_no_offset_and_no_unit() -> None:
    rewards = normal(50)
    plain = History.start().after(rewards, 0.9)
    moved = History.start().after(3 * rewards - 7, 0.9)
    assert_close(plain.standardised(rewards), moved.standardised(3 * rewards - 7), atol=1e-4, rtol=1e-4)
    assert_close(plain.standardised(rewards).std(unbiased=False), torch.tensor(1.0))


def test_equal_rewards_stay_finite() -> None:
    same = torch.ones(3)
    assert History.start().after(same, 0.9).standardised(same).tolist() == [0, 0, 0]


def test_history_survives_packing() -> None:
    history = History.start().after(normal(3), 0.5)
    again = History.unpacked(history.packed())
    assert torch.equal(again.packed(), history.packed())


def test_own_samples_are_a_stretch() -> None:
    values = torch.arange(4)
    assert judged(normal(4)).mine(values).tolist() == [0, 1, 2, 3]
    assert judged(normal(4), own=slice(1, 3)).mine(values).tolist() == [1, 2]
    assert judged(normal(4), prompts=("a", "b", "c", "d"), own=slice(1, 3)).mine(("a", "b", "c", "d")) == ("b", "c")


def test_equal_prompts_are_a_group() -> None:
    samples = judged(normal(4), prompts=("a", "b", "a", "c"))
    assert samples.same_prompt().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]


def test_there_is_a_prompt_for_every_sample() -> None:
    with pytest.raises(AssertionError):
        judged(normal(3), prompts=("a",))
