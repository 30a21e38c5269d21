"""Rows name what exists, and say one thing only."""

from evaluation.measure import discover
from evaluation.validation.corruptions import CORRUPTIONS
from evaluation.validation.expectations import LIGHT, ROWS, SPRITE, TIME, Row, names, port, row
from evaluation.validation.stand_ins import STAND_INS

KNOWN = {corruption.name for corruption in CORRUPTIONS}
MEASURES = discover()


def test_words_become_names() -> None:
    assert names("frozen, colour drift", "", "vanish") == {"frozen", "colour drift", "vanish"}
    assert names(TIME, LIGHT, SPRITE) <= KNOWN
    assert row("a", 2, up="frozen") == Row("a", 2, frozenset({"frozen"}), frozenset(), frozenset())
    assert (row("a", 1).name, row("a", 1, statistic="drift_std").name, port("a", 1).name) == (
        "a",
        "a, drift_std",
        "a *",
    )


def test_rows_name_what_exists() -> None:
    for one in ROWS:
        assert one.metric in MEASURES, one.metric
        assert one.up | one.down | one.still <= KNOWN, one.name
        assert one.size > 0
        assert set(MEASURES[one.metric].needs) <= set(STAND_INS)
        assert one.stand_in == bool(set(MEASURES[one.metric].needs) - {"pixels"})


def test_rows_promise_something_and_nothing_twice() -> None:
    assert len({one.name for one in ROWS}) == len(ROWS)
    for one in ROWS:
        assert one.up | one.down, f"{one.name}: nothing moves it"
        assert one.still, f"{one.name}: everything may move it"
        assert len(one.up | one.down | one.still) == len(one.up) + len(one.down) + len(one.still), one.name


def test_every_metric_that_can_be_taken_here_has_a_row() -> None:
    takeable = {name for name, measure in MEASURES.items() if set(measure.needs) <= set(STAND_INS)}
    assert takeable == {one.metric for one in ROWS}


def test_every_damage_moves_something_and_spares_something() -> None:
    for name in KNOWN - {"fading"}:
        assert sum(name in one.up | one.down for one in ROWS) >= 3, name
        assert sum(name in one.still for one in ROWS) >= 3, name
