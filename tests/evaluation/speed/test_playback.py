"""What a player of a growing video would do, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.speed.playback import buffer_needed, stalls

TIMES = st.lists(st.floats(0.01, 2.0), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("seconds", "buffer", "expected"),
    [
        ((1.0, 0.3, 0.3), 0.0, (0, 0.0)),
        ((1.0, 0.3, 0.5, 0.1), 0.0, (1, 0.2)),
        ((1.0, 0.3, 0.5, 0.1), 0.2, (0, 0.0)),
        ((1.0, 0.4, 0.4), 0.0, (2, 0.2)),
        ((1.0, 0.4, 0.4), 0.1, (1, 0.1)),
        ((9.0,), 0.0, (0, 0.0)),
    ],
)
def test_stalls_by_hand(seconds: tuple[float, ...], buffer: float, expected: tuple[int, float]) -> None:
    assert stalls(seconds, (3,) * len(seconds), playback=10, buffer=buffer) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "frames", "buffer"),
    [
        ((1.0, 0.3, 0.5, 0.1), (3, 3, 3, 3), 0.2),
        ((1.0, 0.4, 0.4), (3, 3, 3), 0.2),
        ((1.0, 0.1, 0.1), (3, 3, 3), 0.0),
        ((1.0, 0.9, 1.2), (9, 12, 12), 0.0),
        ((5.0,), (3,), 0.0),
    ],
)
def test_the_buffer_that_is_needed_by_hand(seconds: tuple[float, ...], frames: tuple[int, ...], buffer: float) -> None:
    assert buffer_needed(seconds, frames, playback=10) == pytest.approx(buffer)


@given(TIMES)
def test_the_needed_buffer_is_enough_and_not_too_much(seconds: list[float]) -> None:
    frames = [3] * len(seconds)
    needed = buffer_needed(seconds, frames, 10)
    assert stalls(seconds, frames, 10, needed + 1e-6) == (0, 0.0)
    if needed > 0.01:
        assert stalls(seconds, frames, 10, needed - 0.005)[0] > 0


@given(TIMES)
def test_a_player_without_a_buffer_waits_as_long_as_the_buffer_that_was_missing(seconds: list[float]) -> None:
    frames = [3] * len(seconds)
    assert stalls(seconds, frames, 10)[1] == pytest.approx(buffer_needed(seconds, frames, 10), abs=1e-6)
