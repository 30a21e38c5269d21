import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.networks.layouts import bidirectional, block_causal, teacher_forcing

chunkings = st.tuples(st.integers(1, 4), st.integers(1, 4))


def test_bidirectional_frames_all_see_each_other() -> None:
    layout = bidirectional(4)
    assert layout.positions.tolist() == [0, 1, 2, 3]
    assert layout.mask is None


@given(sizes=chunkings, window=st.none() | st.integers(4, 12))
def test_block_causal_rule(sizes: tuple[int, int], window: int | None) -> None:
    chunk, chunks = sizes
    layout = block_causal(chunk * chunks, chunk, window)
    assert layout.mask is not None
    assert layout.positions.tolist() == list(range(chunk * chunks))
    for query in range(chunk * chunks):
        end = (query // chunk + 1) * chunk
        seen = [key < end and (window is None or key >= end - window) for key in range(chunk * chunks)]
        assert layout.mask[query].tolist() == seen


@given(sizes=chunkings)
def test_teacher_forcing_rule(sizes: tuple[int, int]) -> None:
    chunk, chunks = sizes
    frames = chunk * chunks
    layout = teacher_forcing(frames, chunk)
    assert layout.mask is not None
    assert layout.positions.tolist() == [*range(frames), *range(frames)]
    for query in range(frames):
        for key in range(frames):
            same, earlier = key // chunk == query // chunk, key // chunk < query // chunk
            assert layout.mask[query, key] == (same or earlier)  # clean sees clean
            assert not layout.mask[query, frames + key]  # clean never sees noisy
            assert layout.mask[frames + query, key] == earlier  # noisy sees what is finished
            assert layout.mask[frames + query, frames + key] == same  # and itself


def test_nobody_is_blind() -> None:
    for layout in (block_causal(12, 3, 3), teacher_forcing(12, 3)):
        assert layout.mask is not None
        assert layout.mask.diagonal().all()
        assert layout.mask.dtype == torch.bool


def test_chunks_fill_the_clip() -> None:
    with pytest.raises(ValueError, match="10 frames; they must be a multiple of chunk_frames \\(3\\)"):
        block_causal(10, 3)
    with pytest.raises(ValueError, match="10 frames"):
        teacher_forcing(10, 3)
