"""Rates, percentiles, slopes and ramps of times that are known by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.speed.runs import COPY, DECODE, DENOISE, STREAM, TEXT, Run, Speed, detect_ramp, slope
from tests.evaluation.speed.scripted import run


def speed(*runs: Run, ramp: int = 0, buffer: float = 0.0) -> Speed:
    return Speed("a", cold=runs[0], runs=runs, ramp=ramp, playback=10, buffer=buffer)


def staged(denoise: tuple[float, ...], decode: tuple[float, ...], text: tuple[float, ...]) -> Run:
    whole = tuple(map(sum, zip(denoise, decode, text, strict=True)))
    return run(whole, stages={DENOISE: denoise, DECODE: decode, TEXT: text, COPY: (0.0,) * len(text)})


def test_frames_per_second_are_a_ratio_of_sums() -> None:
    timed = speed(run([0.5, 0.1, 0.3]), run([0.6]))
    assert timed.fps == pytest.approx(12 / 1.5)
    assert timed.fps != pytest.approx((9 / 0.9 + 3 / 0.6) / 2), "a mean of ratios"
    assert timed.fps_range == pytest.approx((5, 10))


def test_the_ramp_is_told_apart() -> None:
    timed = speed(run([0.1, 0.2, 0.5, 0.5]), ramp=2)
    assert timed.fps == pytest.approx(6)
    assert timed.whole_fps == pytest.approx(12 / 1.3)
    assert timed.ramp_fps == pytest.approx(6 / 0.3)
    assert timed.first_frame == pytest.approx(0.1)


def test_a_stream_no_longer_than_its_ramp_counts_whole() -> None:
    clip = speed(run([2.0], frames=21), ramp=5)
    assert clip.fps == pytest.approx(10.5)
    assert math.isnan(clip.ramp_fps)
    assert math.isnan(speed(run([1.0, 1.0])).ramp_fps)


def test_runs_are_cut_only_if_something_is_left() -> None:
    whole = run([1.0, 2.0], memory={"held": (5, 6)}, stages={STREAM: (1.0, 2.0)}, joules=(3.0, 4.0))
    cut = whole.after(1)
    assert (cut.seconds, cut.frames, cut.memory, cut.stages, cut.joules) == (
        (2.0,),
        (3,),
        {"held": (6,)},
        {STREAM: (2.0,)},
        (4.0,),
    )
    assert whole.after(2) == whole.after(0) == whole


def test_scopes_are_sums_of_stages() -> None:
    timed = speed(staged((0.2, 0.3), (0.1, 0.1), (1.0, 0.0)))
    assert timed.scopes == ["denoiser", "codec", "end_to_end"]
    assert timed.within("denoiser").runs[0].seconds == pytest.approx((0.2, 0.3))
    assert timed.within("codec").runs[0].seconds == pytest.approx((0.3, 0.4))
    assert timed.within("codec").fps == pytest.approx(6 / 0.7)
    assert timed.within("end_to_end") is timed
    assert timed.within("denoiser").cold.first == pytest.approx(0.2)


def test_streams_without_stages_are_timed_as_a_whole() -> None:
    assert speed(run([1.0], stages={STREAM: (0.9,), COPY: (0.1,)})).scopes == ["end_to_end"]
    assert speed(run([1.0])).scopes == ["end_to_end"]
    assert speed(run([1.0], stages={DENOISE: (1.0,)})).scopes == ["end_to_end"], "decoding may be in it"


def test_percentiles_are_over_steady_chunks_of_all_runs() -> None:
    timed = speed(*(run([9.0, *(n / 100 for n in range(101))]) for _ in range(3)), ramp=1)
    shares = (0, 50, 90, 95, 99, 100)
    assert [timed.percentile(share) for share in shares] == pytest.approx([0, 0.5, 0.9, 0.95, 0.99, 1])


def test_growing_costs_and_leaks_show() -> None:
    constant = speed(run([0.2] * 5, memory={"resident": (7,) * 5}))
    growing = speed(run([0.1, 0.2, 0.3, 0.4, 0.5], memory={"resident": (0, 8, 16, 24, 32)}))
    flat = (constant.slope, constant.growth, constant.memory_slope, constant.memory_growth)
    assert flat == pytest.approx((0, 0, 0, 0))
    assert growing.slope == pytest.approx(0.1)
    assert growing.growth == pytest.approx(0.1 / 0.3)
    assert growing.memory_slope == pytest.approx(8)
    assert growing.memory_growth == 32


def test_peaks_are_those_of_the_steady_part() -> None:
    timed = speed(run([1.0] * 3, memory={"held": (1, 2, 3), "allocated": (99, 5, 4)}), ramp=1)
    assert (timed.peak("held"), timed.peak("allocated"), timed.peak("nothing")) == (3, 5, 0)


def test_memory_need_not_be_known() -> None:
    timed = speed(run([1.0, 1.0]))
    assert (timed.memory_growth, timed.memory_slope, timed.peak("held")) == (0, 0, 0)


def test_energy_of_a_frame() -> None:
    timed = speed(run([1.0, 1.0], joules=(50.0, 6.0)), run([1.0, 1.0], joules=(50.0, 12.0)), ramp=1)
    assert timed.joules == pytest.approx(18 / 6)
    assert math.isnan(speed(run([1.0])).joules)


def test_the_worst_run_is_played() -> None:
    good, bad = run([1.0, 0.3, 0.3]), run([1.0, 0.5, 0.3])
    assert speed(good, bad).stalls == pytest.approx((1, 0.2))
    assert speed(good, bad).buffer_needed == pytest.approx(0.2)
    assert speed(good, bad, buffer=0.2).stalls == (0, 0.0)


def test_stages_that_miss_work_disagree_with_the_wall() -> None:
    assert run([1.0, 1.0], stages={STREAM: (0.5, 1.0)}).disagreement == pytest.approx(0.25)
    assert run([1.0, 1.0]).disagreement == 0


def test_medians_over_runs_end_with_the_shortest() -> None:
    assert speed(run([1.0, 2.0, 9.0]), run([3.0, 4.0])).medians() == pytest.approx((2, 3))


def test_slopes_by_hand() -> None:
    assert slope([1.0, 3.0, 5.0]) == pytest.approx(2)
    assert slope([0.0, 0.0, 6.0, 6.0]) == pytest.approx(2.4)
    assert slope([4.0, 4.0]) == 0
    assert slope([4.0]) == slope([]) == 0


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(2, 30))
def test_the_slope_of_a_line_is_its_slope(start: float, step: float, count: int) -> None:
    assert slope([start + step * index for index in range(count)]) == pytest.approx(step, abs=1e-9)


@pytest.mark.parametrize(
    ("seconds", "ramp"),
    [
        ([1.0] * 8, 0),
        ([5.0, *[1.0] * 7], 1),
        ([0.2, 0.5, 0.8, *[1.0] * 7], 3),
        ([3.0, 0.4, 0.7, *[1.0, 1.05, 0.95] * 3], 3),
        ([0.2, 1.0, 0.5, *[1.0] * 7], 3),
        ([1.0], 0),
        ([5.0, 1.0], 1),
        ([0.1, 0.2, 0.4, 0.8, 1.6, 3.2], 3),
    ],
)
def test_ramps_are_found_in_the_times(seconds: list[float], ramp: int) -> None:
    assert detect_ramp(seconds) == ramp
