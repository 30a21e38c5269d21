from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.data.order import Order, shuffled

ITEMS, SHARE, RANKS = st.integers(1, 20), st.integers(1, 6), st.integers(1, 4)


def walk(order: Order, steps: int) -> list[int]:
    return [pick.item for step in range(steps) for pick in order.picks(step)]


@given(items=ITEMS, batch=SHARE, seed=st.integers(0, 5))
def test_every_round_holds_every_item_once(items: int, batch: int, seed: int) -> None:
    rounds = 3
    seen = walk(Order(items=items, batch_size=batch, seed=seed), steps=-(-rounds * items // batch))
    for start in range(0, rounds * items, items):
        assert sorted(seen[start : start + items]) == list(range(items))


@given(items=ITEMS, share=SHARE, ranks=RANKS, step=st.integers(0, 1000))
def test_ranks_cut_the_global_batch_into_equal_parts(items: int, share: int, ranks: int, step: int) -> None:
    size = share * ranks
    whole = Order(items=items, batch_size=size, seed=1).picks(step)
    parts = [Order(items=items, batch_size=size, seed=1, rank=rank, ranks=ranks).picks(step) for rank in range(ranks)]
    assert [pick for part in parts for pick in part] == whole
    assert {len(part) for part in parts} == {share}


@given(items=st.integers(2, 20), step=st.integers(0, 50))
def test_places_have_keys_of_their_own_even_when_items_repeat(items: int, step: int) -> None:
    order = Order(items=items, batch_size=2 * items, seed=0)
    picks = order.picks(step)
    assert len({pick.key for pick in picks}) == 2 * items
    assert set(Counter(pick.item for pick in picks).values()) == {2}


@given(items=ITEMS, repeats=st.integers(1, 4), groups=SHARE, ranks=st.integers(1, 2), step=st.integers(0, 50))
def test_repeats_make_groups_of_one_item_with_keys_of_their_own(
    items: int, repeats: int, groups: int, ranks: int, step: int
) -> None:
    """The groups are the items that a batch of one item a group holds, whatever the number of ranks."""
    size, counts = groups * repeats * ranks, {"items": items, "seed": 3}
    parts = [Order(batch_size=size, repeats=repeats, rank=rank, ranks=ranks, **counts) for rank in range(ranks)]
    picks = [pick for part in parts for pick in part.picks(step)]
    singles = Order(batch_size=groups * ranks, **counts).picks(step)
    assert [pick.item for pick in picks] == [pick.item for pick in singles for _ in range(repeats)]
    assert len({pick.key for pick in picks}) == size


def test_a_step_is_known_without_the_steps_before_it() -> None:
    order = Order(items=11, batch_size=4, seed=0)
    assert order.picks(999) == Order(items=11, batch_size=4, seed=0).picks(999)


def test_rounds_and_seeds_differ() -> None:
    orders = {shuffled(50, seed, lap) for seed in range(3) for lap in range(3)}
    assert len(orders) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"batch_size": 3, "ranks": 2}, r"data.batch_size is 3; .* number of ranks \(2\)"),
        ({"items": 0}, "no items"),
        ({"batch_size": 6, "repeats": 4}, r"data.repeats is 4; it must divide data.batch_size \(6\)"),
        ({"repeats": 0}, "data.repeats is 0"),
        ({"rank": 2, "ranks": 2}, "rank is 2"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Order(**{"items": 5, "batch_size": 2, "seed": 0, **change})
