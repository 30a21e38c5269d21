"""Statistics over windows know which scores are better, in which unit they are, and when they say nothing."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.courses import DRIFTS, RELATIVE, TIMED, UNSIGNED, judge, score
from evaluation.functional import drift
from evaluation.measure import Measure, discover
from evaluation.report.view import WINDOW_WORDS, heading
from evaluation.table import Record
from tests.evaluation.made import FPS, record

MEASURES = discover()
COURSE = (9.0, 9.0, 9.0, 9.0, 4.0, 4.0)
HOP = 12 / FPS


def along(*course: float, frames: int = 84) -> list[Record]:
    """One video whose sliding windows have these scores."""
    made = record("a", 0, {"any": 0.0}, frames=frames)
    named = sum(bool(part.name) for part in made.windows)
    assert len(made.windows) - named == len(course)
    return [replace(made, scores={"any": (course[0],) * named + course})]


def measure(better: str, target: float = np.nan) -> Measure:
    return replace(MEASURES["contrast"], better=better, target=target, unit="px")  # type: ignore[arg-type]


def of(window: str, better: str, target: float = np.nan, course: tuple[float, ...] = COURSE) -> float:
    return float(score(along(*course), "any", window, measure(better, target))[0])


def test_every_statistic_is_a_function_with_words() -> None:
    for name in DRIFTS:
        assert name in WINDOW_WORDS
        assert hasattr(drift, name) or name in {"worst_window", "time_to_degrade"}
    assert {*UNSIGNED, *RELATIVE, *TIMED} <= set(DRIFTS)


def test_named_windows_are_looked_up() -> None:
    assert of("all", "open") == 9
    assert np.isnan(of("nowhere", "open"))


def test_the_worst_windows_are_those_on_the_bad_side() -> None:
    assert of("worst_window", "higher") == pytest.approx(4)
    assert of("worst_window", "lower") == pytest.approx(9)
    assert of("worst_window", "target", target=8) == pytest.approx(4)
    assert np.isnan(of("worst_window", "open"))


def test_degrading_is_getting_worse_whatever_is_better() -> None:
    assert of("time_to_degrade", "higher") == pytest.approx(4 * HOP)
    assert of("time_to_degrade", "lower") == pytest.approx(6 * HOP)
    assert of("time_to_degrade", "target", target=9) == pytest.approx(4 * HOP)
    assert of("time_to_degrade", "target", target=4) == pytest.approx(6 * HOP)
    assert np.isnan(of("time_to_degrade", "open"))
    assert np.isnan(score(along(*COURSE), "any", "time_to_degrade", None)[0])


def test_time_is_in_seconds_and_minutes() -> None:
    rising = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert of("drift_slope", "higher", course=rising) == pytest.approx(60 / HOP)
    assert of("drift_slope_robust", "higher", course=rising) == pytest.approx(60 / HOP)
    assert of("drift_five_seconds", "higher", course=rising) == pytest.approx(3)


def test_relative_change_says_nothing_where_the_best_is_0() -> None:
    assert of("drift_ratio", "higher") == pytest.approx(4 / 9)
    assert np.isnan(of("drift_ratio", "lower", target=0))
    assert np.isnan(of("drift_vde_normalised", "target", target=0))


@pytest.mark.parametrize("name", DRIFTS)
def test_videos_too_short_for_windows_have_no_statistics(name: str) -> None:
    short = replace(along(*COURSE)[0], windows=(), scores={"any": ()})
    assert np.isnan(score([short], "any", name, measure("higher"))).all()


def test_columns_judge_in_their_own_unit_and_direction() -> None:
    judged = {name: judge(measure("higher"), name) for name in DRIFTS}
    assert {name for name, found in judged.items() if found.better == "lower"} == set(UNSIGNED)
    assert (judged["worst_window"].better, judged["time_to_degrade"].better) == ("higher", "higher")
    assert judged["drift_ratio"].target == 1
    assert judged["time_to_degrade"].unit == "s"
    assert {name for name, found in judged.items() if found.unit == ""} == set(RELATIVE)
    assert judge(measure("target", 3), "worst_window").target == 0
    assert judge(measure("open"), "time_to_degrade").better == "open"


def test_headings_show_unit_and_direction() -> None:
    known = {"any": measure("lower")}
    assert heading(("any", "worst_window"), known)[1] == "px, worst windows (5 %), ↓"
    assert heading(("any", "time_to_degrade"), known)[1] == "s, time to degrade, ↑"
    assert heading(("any", "drift_ratio"), known)[1] == "drift: last / first"
