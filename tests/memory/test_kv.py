from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.memory.kv import KV, join
from tests.tiny import numbered, numbers, random_kv


def test_frames_are_counted_and_taken_like_a_list() -> None:
    kv = numbered(0, 1, 2, 3, 4)
    assert kv.frames == 5
    assert numbers(kv.between(1, 3)) == [1, 2]
    assert numbers(kv.between(3)) == [3, 4]
    assert kv.between(5).frames == 0


@given(cuts=st.lists(st.integers(0, 6), max_size=4).map(sorted))
def test_joining_the_parts_gives_the_whole(cuts: list[int]) -> None:
    kv = random_kv(2, 6)
    bounds = [0, *cuts, 6]
    whole = join([kv.between(start, stop) for start, stop in pairwise(bounds)])
    assert torch.equal(whole.keys, kv.keys)
    assert torch.equal(whole.values, kv.values)


def test_joining_nothing_leaves_precision_alone() -> None:
    """Only then may an empty half-precision memory stand beside a full-precision sink."""
    empty, full = numbered(dtype=torch.bfloat16), numbered(1, 2, dtype=torch.float32)
    assert join([empty, full]) is full
    assert join([full, empty]) is full
    assert join([empty, empty]).frames == 0


def test_precision_changes_keys_and_values() -> None:
    half = numbered(1, 2).to(torch.bfloat16)
    assert half.keys.dtype == half.values.dtype == torch.bfloat16


def test_keys_and_values_have_the_same_shape() -> None:
    kv = random_kv(1, 2)
    with pytest.raises(Exception, match="values"):
        KV(kv.keys, kv.values[:, :, :1])


def test_layers_may_be_stacked_or_not() -> None:
    stack = random_kv(1, 3)
    one = stack.apply(lambda tensor: tensor[1])
    assert one.frames == stack.frames == 3
    assert torch.equal(one.between(1).keys, stack.between(1).keys[1])
    assert torch.equal(join([one, one]).values, join([stack, stack]).values[1])


def test_what_stands_alone_holds_nothing_else() -> None:
    kv = numbered(1, 2, 3)
    part = kv.between(1).alone()
    assert numbers(part) == [2, 3]
    assert part.keys.untyped_storage().nbytes() == part.keys.nbytes
    assert kv.alone().keys is kv.keys
    assert kv.nothing().frames == kv.nothing().values.untyped_storage().nbytes() == 0
