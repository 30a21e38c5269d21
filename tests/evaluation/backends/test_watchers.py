"""Watchers of networks do not depend on how a video is cut into pieces."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluation.backends.watchers import EachThree, Picked, Remarked
from evaluation.signals import EachFrame
from tests.evaluation.backends.small import shown


def numbered(frames: int) -> Tensor:
    """Two videos; a frame's level is its number, and 100 more in the second."""
    levels = torch.arange(frames) + torch.tensor([[0], [100]])
    return levels.to(torch.uint8)[..., None, None, None].expand(2, frames, 3, 4, 4)


def level(frames: Tensor) -> Tensor:
    return frames.float().mean((-3, -2, -1))


@given(st.integers(6, 40), st.integers(1, 41))
def test_some_frames_are_picked(frames: int, size: int) -> None:
    signal = shown(Picked(level, [5, 0, 2, 5]), numbered(frames), size)
    assert signal.values.tolist() == [[0, 2, 5], [100, 102, 105]]
    assert signal.spans is not None
    assert signal.spans.tolist() == [[0, 0], [2, 2], [5, 5]]


@given(st.integers(1, 40), st.integers(1, 41))
def test_threes_start_at_even_frames(frames: int, size: int) -> None:
    signal = shown(EachThree(lambda *three: sum(10**place * level(part) for place, part in enumerate(three))),
                   numbered(frames)[:1], size)  # fmt: skip
    starts = range(0, frames - 2, 2)
    assert signal.values.tolist() == [[111.0 * start + 10 + 200 for start in starts]]
    assert signal.spans is not None
    assert signal.spans.tolist() == [[start, start + 2] for start in starts]


def test_a_remark_is_about_the_size() -> None:
    wrapped = Remarked(EachFrame(level), lambda height, width: f"{height} x {width}")
    signal = shown(wrapped, numbered(5), 2)
    assert signal.note == "4 x 4"
    assert torch.equal(signal.values, shown(EachFrame(level), numbered(5)).values)
