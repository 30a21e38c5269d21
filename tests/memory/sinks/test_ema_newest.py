"""The arithmetic of the released code before it was corrected, in whole numbers."""

import pytest
import torch

from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.ema_newest import NewestEMASink
from tests.tiny import numbered, numbers, random_kv, remembered


def newest(decay: float, frames: int = 3) -> NewestEMASink:
    return NewestEMASink(frames=frames, decay=decay, dtype=torch.float64)


def reads(sink: NewestEMASink, chunks: int, window: int = 9) -> list[list[float]]:
    policy = MemoryPolicy(sink=sink, window_frames=window, chunk_frames=3)
    parts = [numbered(*range(start, start + 3)) for start in range(0, 3 * chunks, 3)]
    return [numbers(policy.read(memory)) for memory in remembered(policy, parts)]


def test_worked_example_of_the_first_release() -> None:
    """Decay 0.999: chunk 3 evicts frames 3, 4, 5, but 6, 7, 8 are fused; chunk 4 evicts those and fuses 9, 10, 11."""
    after = reads(newest(0.999), 4)
    assert after[1] == [0, 1, 2, 3, 4, 5]
    assert after[2] == pytest.approx([0.006, 1.006, 2.006, 6, 7, 8], abs=1e-12)
    assert after[3] == pytest.approx([0.014994, 1.014994, 2.014994, 9, 10, 11], abs=1e-12)


def test_the_newest_frames_count_twice_and_the_first_evicted_ones_never() -> None:
    after = reads(newest(0.0), 5)
    for read in after[2:]:
        assert read[:3] == read[3:]
    assert all(3 not in read[:3] for read in after)


@pytest.mark.parametrize("folds", [1, 2, 6])
def test_folds_equal_the_closed_form(folds: int) -> None:
    """S_n = decay^n K_0 + (1 - decay) sum_j decay^(n-j) K_{j+1}, chunk by chunk."""
    decay, after = 0.75, reads(newest(0.75), folds + 2)[-1]
    for slot in range(3):
        terms = [decay ** (folds - fold) * (3 * (fold + 1) + slot) for fold in range(1, folds + 1)]
        assert after[slot] == pytest.approx(decay**folds * slot + (1 - decay) * sum(terms))


def test_frames_meet_the_slot_of_their_number_whatever_the_sizes() -> None:
    """Sink of 2, window of 6, chunks of 3: as many of the newest as leave, each meeting the slot of its parity."""
    after = reads(newest(0.0, frames=2), 4, window=6)
    assert [read[:2] for read in after] == [[0, 1], [4, 5], [8, 7], [10, 11]]


def test_where_nothing_stays_the_newest_are_the_evicted() -> None:
    parts = [random_kv(2, 3, seed) for seed in range(6)]
    for one, other in zip(
        *(
            remembered(MemoryPolicy(sink=sink, window_frames=6, chunk_frames=3), parts)
            for sink in (NewestEMASink(frames=3, decay=0.9), EMASink(frames=3, decay=0.9))
        ),
        strict=True,
    ):
        assert torch.equal(one.sink.keys, other.sink.keys)


def test_its_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"sink\.decay is 1\.5"):
        newest(1.5)
