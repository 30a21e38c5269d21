"""What plain values may be."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.composition.ranges import RANGES, WORDS, Range, out_of_range


@given(st.floats(allow_nan=False), st.floats(-5, 5), st.floats(-5, 5), st.booleans(), st.booleans())
def test_a_range_holds_what_its_words_say(value: float, one: float, other: float, left: bool, right: bool) -> None:
    low, high = sorted((one, other))
    allowed = Range(low, high, open_low=left, open_high=right)
    inside = (
        (low < value < high)
        or (value == low and not left and (value < high or not right))
        or (value == high and not right and (value > low or not left))
    )
    assert (value in allowed) == inside
    assert str(allowed) == f"within {'[('[left]}{low}, {high}{'])'[right]}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_range_holds_what_is_no_number(value: float) -> None:
    assert not any(value in allowed for allowed in [Range(), *RANGES.values()])


def test_half_open_ranges_in_words() -> None:
    assert [str(Range()), str(Range(1)), str(Range(0, open_low=True))] == ["finite", "at least 1", "above 0"]


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"sink": {"decay": 0.5}, "seed": 0, "name": "x", "shown": True, "nothing": None}, []),
    ({"sink": {"decay": 1.5}}, ["sink.decay is 1.5; it must be within [0, 1]"]),
    ({"a": [{"every": 0}]}, ["a[0].every is 0; it must be at least 1"]),
    ({"optimizer": {"betas": [0.9, 1.0]}}, ["optimizer.betas[1] is 1.0; it must be within [0, 1)"]),
    ({"reward": {"scale": 0.1}, "sample_videos": {"scale": 0}}, ["sample_videos.scale is 0; it must be at least 1"]),
    ({"new": {"unheard_of": -7}}, []),
    ({"new": {"unheard_of": math.nan}}, ["new.unheard_of is nan; it must be finite"]),
    ({"play": {"fps": "fast"}}, ["play.fps is 'fast'; allowed: a number above 0"]),
    ({"trainer": {"devices": "auto", "precision": 32, "accelerator": "cpu"}}, []),
    ({"trainer": {"devices": "some"}}, ["trainer.devices is 'some'; allowed: auto, a number at least 1"]),
    ({"trainer": {"precision": 12}}, [f"trainer.precision is 12; allowed: {', '.join(WORDS['precision'])}"]),
    ({"other": {"precision": "high"}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("values", "faults"), CASES)
def test_places_are_named(values: dict[str, Any], faults: list[str]) -> None:
    assert [place + fault for place, fault in out_of_range(values)] == faults
