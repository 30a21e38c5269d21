"""The benchmark of judging measures what it says, and memory hardly grows with the length of a video."""

from benchmarks.judging import judging, passing, peak
from evaluation.measure import discover
from evaluation.signals import PIECE


def test_every_metric_without_weights_is_timed() -> None:
    measured = judging(videos=2, frames=30, long_seconds=20)
    rates = measured["judging_videos_per_minute"]
    assert {"looking", *(name for name, m in discover().items() if set(m.needs) <= {"pixels"})} == set(rates)
    assert all(rate > 0 for rate in rates.values())
    assert measured["judging_long_to_short_peak"] == (
        measured["judging_peak_bytes_20_seconds"] / measured["judging_peak_bytes_10_seconds"]
    )


def test_videos_pass_by_whole() -> None:
    assert [part.shape[1] for part in passing(2 * PIECE + 3)] == [PIECE, PIECE, 3]


def test_what_is_held_of_a_long_video_is_its_rows_not_its_frames() -> None:
    short, long = peak(10), peak(60)
    frame, row = 3 * 96 * 160, 4 * (8 * 8 + 2)
    assert long - short < 2.5 * 50 * 16 * row  # rows, and once more while they are joined
    assert 3 * row < frame / 50
