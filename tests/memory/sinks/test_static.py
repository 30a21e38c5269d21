import pytest

from reward_forcing.memory.sinks.static import StaticSink
from tests.tiny import numbered


def test_it_never_changes() -> None:
    sink = numbered(1, 2)
    assert StaticSink(frames=2).fold(sink, numbered(3, 4)) is sink


@pytest.mark.parametrize("frames", [0, -1])
def test_it_keeps_at_least_one_frame(frames: int) -> None:
    with pytest.raises(ValueError, match=rf"sink\.frames is {frames}; a static sink keeps at least 1"):
        StaticSink(frames=frames)
