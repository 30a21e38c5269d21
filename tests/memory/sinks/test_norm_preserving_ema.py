import math

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.memory.kv import KV
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.norm_preserving_ema import NormPreservingEMASink, lengths
from tests.tiny import random_kv


def fold_all(sink: NormPreservingEMASink | EMASink, parts: list[KV]) -> KV:
    folded = parts[0]
    for part in parts[1:]:
        folded = sink.fold(folded, part)
    return folded


def test_two_keys_at_right_angles() -> None:
    """The mean of two unit vectors has the length sqrt(1/2); here it has length 1, and of unequal ones their mean."""
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]]).view(3, 1, 1, 1, 1, 2)
    one, other, longer = (KV(key, key) for key in keys)
    fold = NormPreservingEMASink(frames=1, decay=0.5).fold
    assert_close(fold(one, other).keys.flatten(), torch.full((2,), math.sqrt(0.5)))
    assert_close(lengths(fold(one, longer).keys), torch.full((1, 1, 1, 1, 1), 2.0))
    assert_close(fold(one, longer).keys.flatten(), torch.tensor([1.0, 3.0]) * 2 / math.sqrt(10))
    assert_close(fold(one, other).values.flatten(), torch.full((2,), 0.5))


@pytest.mark.parametrize("folds", [1, 4, 9])
def test_lengths_follow_the_closed_form_of_an_average_of_lengths(folds: int) -> None:
    """For each head and token: n_k = decay^k |K_0| + (1 - decay) sum_j decay^(k-j) |K_j|."""
    decay, parts = 0.6, [random_kv(2, 3, seed) for seed in range(folds + 1)]
    folded = fold_all(NormPreservingEMASink(frames=3, decay=decay), parts)
    terms = [(1 - decay) * decay ** (folds - j) * lengths(part.keys) for j, part in enumerate(parts) if j]
    assert_close(lengths(folded.keys), decay**folds * lengths(parts[0].keys) + sum(terms))


def test_it_keeps_lengths_where_ema_sink_loses_them() -> None:
    """Keys of one length, as RMSNorm makes them, stay so; the plain average of unlike ones shrinks."""
    parts = [random_kv(2, 3, seed) for seed in range(20)]
    parts = [KV(part.keys / lengths(part.keys), part.values) for part in parts]
    kept, shrunk = (
        fold_all(sink, parts) for sink in (NormPreservingEMASink(frames=3, decay=0.9), EMASink(frames=3, decay=0.9))
    )
    assert_close(lengths(kept.keys), torch.ones_like(lengths(kept.keys)))
    assert lengths(shrunk.keys).mean() < 0.5
    assert_close(kept.values, shrunk.values)


def test_one_fold_points_where_the_mean_points() -> None:
    one, other = random_kv(2, 3, 1), random_kv(2, 3, 2)
    mine, plain = (sink(frames=3, decay=0.7).fold(one, other).keys for sink in (NormPreservingEMASink, EMASink))
    assert_close(mine / lengths(mine), plain / lengths(plain))


def test_opposite_and_empty_keys_give_no_nonsense() -> None:
    one = random_kv(1, 3, 1)
    opposite, empty = KV(-one.keys, one.values), one.apply(torch.zeros_like)
    fold = NormPreservingEMASink(frames=3, decay=0.5).fold
    assert not fold(one, opposite).keys.any()
    assert not fold(empty, empty).keys.any()
    assert fold(one, empty).keys.isfinite().all()


def test_its_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"sink\.decay is -1"):
        NormPreservingEMASink(frames=3, decay=-1)
