"""Watchers see frames once, in pieces of any size, and say which frames each row is about."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluation.signals import Chosen, EachFrame, EachPair, Known, Signal, Watcher


def numbered(frames: int, clips: int = 2) -> Tensor:
    """Videos whose every pixel is the number of the frame, plus 100 for each clip."""
    levels = torch.arange(frames)[None] + 100 * torch.arange(clips)[:, None]
    return levels.to(torch.uint8)[..., None, None, None].expand(clips, frames, 3, 2, 2)


def level(frames: Tensor) -> Tensor:
    return frames.float().mean((-3, -2, -1))


def gap(before: Tensor, after: Tensor) -> Tensor:
    return level(after) - level(before)


def shown(watcher: Watcher, frames: Tensor, size: int) -> Signal:
    for piece in frames.split(size, 1):
        watcher.see(piece)
    return watcher.signal()


@given(st.integers(1, 20), st.integers(1, 21))
def test_every_frame_is_a_row(frames: int, size: int) -> None:
    signal = shown(EachFrame(level), numbered(frames), size)
    assert torch.equal(signal.values[0], torch.arange(frames).float())
    assert torch.equal(signal.values[1], signal.values[0] + 100)
    assert signal.spans is not None
    assert torch.equal(signal.spans, torch.arange(frames)[:, None].expand(-1, 2))


@given(st.integers(1, 20), st.integers(1, 21), st.integers(1, 6))
def test_pairs_do_not_depend_on_the_pieces(frames: int, size: int, step: int) -> None:
    signal = shown(EachPair(gap, step), numbered(frames), size)
    count = (frames - 1) // step
    assert torch.equal(signal.values, torch.full((2, count), float(step)))
    assert signal.spans is not None
    assert signal.spans.tolist() == [[i * step, (i + 1) * step] for i in range(count)]


def test_pairs_of_features_keep_their_shape_where_there_is_none() -> None:
    assert shown(EachPair(gap, 2, empty=(5,)), numbered(2), 1).values.shape == (2, 0, 5)


@given(st.integers(4, 20), st.integers(1, 21))
def test_chosen_frames_come_together(frames: int, size: int) -> None:
    parts = [(0, frames), (1, 4), (0, frames)]
    chosen = Chosen(lambda some: level(some).sum(1), parts, lambda length: [0, length - 1, length - 1])
    signal = shown(chosen, numbered(frames), size)
    assert signal.exactly(0, frames).tolist() == [2.0 * (frames - 1), 2.0 * (frames - 1) + 300]
    assert signal.exactly(1, 4).tolist() == [7, 307]
    assert signal.exactly(0, 3).isnan().all()
    assert not chosen.held


def test_chosen_frames_are_not_kept_longer_than_needed() -> None:
    chosen = Chosen(lambda some: level(some).sum(1), [(0, 50)], lambda length: [3, length - 1])
    held = []
    for piece in numbered(50).split(1, 1):
        chosen.see(piece)
        held.append(len(chosen.held))
    assert max(held) == 1
    assert held[-1] == 0


def test_what_is_known_is_about_every_part() -> None:
    signal = shown(Known(torch.arange(6.0).view(2, 3)), numbered(5), 2)
    assert torch.equal(signal.between(1, 2).values, torch.arange(6.0).view(2, 1, 3))
    assert signal.exactly(0, 5).isnan().all()


@pytest.mark.parametrize(("start", "stop", "rows"), [(0, 7, [0, 1, 2]), (0, 6, [0, 1]), (1, 5, [1]), (2, 4, [])])
def test_a_part_has_the_rows_inside_it(start: int, stop: int, rows: list[int]) -> None:
    signal = Signal(torch.arange(3.0)[None], torch.tensor([[0, 2], [2, 4], [4, 6]]))
    assert signal.between(start, stop).values[0].tolist() == rows
