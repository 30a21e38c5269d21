"""Windows cover videos as their names say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.windows import Cut, Window, cut


def test_windows_of_a_long_video_by_hand() -> None:
    windows = cut(60, Cut(clip=21, length=24, hop=12))
    assert windows == (
        Window("all", 0, 60),
        Window("clip", 0, 21),
        Window("early", 0, 20),
        Window("middle", 20, 40),
        Window("late", 40, 60),
        Window("", 0, 24),
        Window("", 12, 36),
        Window("", 24, 48),
        Window("", 36, 60),
    )


@given(frames=st.integers(3, 300), clip=st.integers(1, 40), length=st.integers(1, 40), hop=st.integers(1, 40))
def test_windows_are_inside_and_thirds_tile(frames: int, clip: int, length: int, hop: int) -> None:
    windows = cut(frames, Cut(clip, length, hop))
    assert all(0 <= part.start < part.stop <= frames for part in windows)
    named = {part.name: part for part in windows if part.name}
    assert [named[name].start for name in ("early", "middle", "late")] == [
        0,
        named["early"].stop,
        named["middle"].stop,
    ]
    assert named["late"].stop == frames
    sliding = [part for part in windows if not part.name]
    assert {part.stop - part.start for part in sliding} == {min(length, frames)}
    assert [part.start for part in sliding] == [index * hop for index in range(len(sliding))]
    assert sliding[-1].stop + hop > frames


@pytest.mark.parametrize("name", ["clip", "length", "hop"])
def test_sizes_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"windows.{name} is 0"):
        Cut(**{name: 0})
