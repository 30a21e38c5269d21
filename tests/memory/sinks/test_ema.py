import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from reward_forcing.memory.sinks.ema import EMASink
from tests.tiny import numbered, numbers, random_kv


def test_keys_and_values_are_averaged() -> None:
    assert numbers(EMASink(frames=2, decay=0.75).fold(numbered(0, 4), numbered(4, 0))) == [1, 3]


@given(decay=st.floats(0, 1))
def test_it_is_the_weighted_mean(decay: float) -> None:
    sink, evicted = random_kv(2, 3, 1), random_kv(2, 3, 2)
    folded = EMASink(frames=3, decay=decay).fold(sink, evicted)
    assert_close(folded.keys, decay * sink.keys + (1 - decay) * evicted.keys)
    assert_close(folded.values, decay * sink.values + (1 - decay) * evicted.values)


def test_the_ends_are_exact() -> None:
    sink, evicted = random_kv(2, 3, 1), random_kv(2, 3, 2)
    assert torch.equal(EMASink(frames=3, decay=1.0).fold(sink, evicted).keys, sink.keys)
    assert torch.equal(EMASink(frames=3, decay=0.0).fold(sink, evicted).keys, evicted.keys)


@pytest.mark.parametrize("decay", [-0.1, 1.001])
def test_decay_is_a_fraction(decay: float) -> None:
    with pytest.raises(ValueError, match=rf"sink\.decay is {decay}; it must be within \[0, 1\]"):
        EMASink(frames=3, decay=decay)


def test_it_keeps_at_least_one_frame() -> None:
    with pytest.raises(ValueError, match=r"sink\.frames is 0; an EMA sink keeps at least 1"):
        EMASink(frames=0, decay=0.9)
