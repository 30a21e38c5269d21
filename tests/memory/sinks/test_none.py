import pytest

from reward_forcing.memory.sinks.none import NoSink
from tests.tiny import numbered


def test_it_keeps_no_frames() -> None:
    assert NoSink().frames == 0
    empty = numbered()
    assert NoSink().fold(empty, numbered()) is empty


def test_frames_must_be_zero() -> None:
    with pytest.raises(ValueError, match=r"sink\.frames is 3; without a sink it must be 0"):
        NoSink(frames=3)
