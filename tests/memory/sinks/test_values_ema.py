import pytest
import torch
from torch.testing import assert_close

from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.values_ema import ValuesEMASink
from tests.tiny import random_kv, remembered


def test_keys_stay_and_values_are_those_of_ema_sink() -> None:
    parts = [random_kv(2, 3, seed) for seed in range(7)]
    sinks = (ValuesEMASink(frames=3, decay=0.8), EMASink(frames=3, decay=0.8))
    mine, theirs = (
        remembered(MemoryPolicy(sink=sink, window_frames=9, chunk_frames=3), parts)[-1].sink for sink in sinks
    )
    assert torch.equal(mine.keys, parts[0].keys)
    assert torch.equal(mine.values, theirs.values)


@pytest.mark.parametrize("folds", [1, 3])
def test_folds_equal_the_closed_form(folds: int) -> None:
    sink, parts = random_kv(1, 3, 0), [random_kv(1, 3, seed) for seed in range(1, folds + 1)]
    folded = sink
    for part in parts:
        folded = ValuesEMASink(frames=3, decay=0.7).fold(folded, part)
    terms = [0.3 * 0.7 ** (folds - place) * part.values for place, part in enumerate(parts, start=1)]
    assert_close(folded.values, 0.7**folds * sink.values + sum(terms))


def test_its_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"sink\.frames is 0"):
        ValuesEMASink(frames=0, decay=0.5)
