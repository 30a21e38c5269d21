"""What a study may ask, and what is refused."""

import math
from typing import Any

import pytest

from evaluation.measure import discover
from reward_forcing.study.design import Study, column, level_of, read_study, require_honest, verdict, words

ASKED: dict[str, Any] = {
    "question": "Does it help?",
    "reference": "dmd",
    "headline": ["palette_drift late", "shape_accuracy"],
    "equivalence": {"shape_accuracy": 0.05},
}


def test_a_study_is_read_from_plain_values() -> None:
    study = read_study(ASKED, "mine")
    assert study.headline == (("palette_drift", "late"), ("shape_accuracy", "all"))
    assert study.equivalence == {("shape_accuracy", "all"): 0.05}
    assert (study.prompts, study.frames) == (24, 120)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompts": 0}, "study.prompts is 0; it must be at least 1"),
        ({"frames": -3}, "study.frames is -3; it must be at least 1"),
        ({"headline": []}, "study.headline is empty"),
        ({"headline": ["beauty"]}, "there is no metric 'beauty'; allowed: .*palette_drift"),
        ({"headline": ["palette_drift soon"]}, "'palette_drift soon' names no window; allowed: all, clip, early"),
        ({"factors": {"a": "x", "b": "y", "c": "z"}}, "study.factors names a, b, c; allowed: one or two"),
        (
            {"equivalence": {"copy_score": 0.1}},
            "copy_score is no headline; allowed: palette_drift late",
        ),
        ({"equivalence": {"shape_accuracy": 0}}, "the margin of shape_accuracy is 0.0; it must be above 0"),
        ({"colour": 1}, "study.colour is unknown; allowed: question, reference"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_study({**ASKED, **change}, "mine")


def test_what_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="experiments=mine has no study; .*--list"):
        read_study({}, "mine")
    with pytest.raises(ValueError, match=r"study\.reference is missing in experiments=mine"):
        read_study({key: value for key, value in ASKED.items() if key != "reference"}, "mine")


@pytest.mark.parametrize("text", ["palette_drift late", "shape_accuracy", "copy_score clip"])
def test_columns_survive_a_round_trip(text: str) -> None:
    assert words(column(text)) == text


def test_what_was_optimised_is_no_headline() -> None:
    honest = read_study(ASKED, "mine")
    require_honest(honest, "tracked_motion")
    tempting = read_study({**ASKED, "headline": ["palette_drift late", "net_displacement"], "equivalence": {}}, "mine")
    require_honest(tempting, "none")
    with pytest.raises(ValueError, match="net_displacement is optimised by reward=tracked_motion"):
        require_honest(tempting, "tracked_motion")


def test_every_optimised_metric_is_refused() -> None:
    for name, measure in discover().items():
        study = Study(question="?", reference="x", headline=((name, "all"),))
        for reward in measure.optimised_by:
            with pytest.raises(ValueError, match="is optimised by"):
                require_honest(study, reward)


@pytest.mark.parametrize(
    ("override", "level"),
    [
        ("loss=dmd", "dmd"),
        ("sink.decay=0.9", "decay 0.9"),
        ("memory.window_frames=6", "window_frames 6"),
        ("rollout.context_gradient=through", "through"),
        ("module.seed=-1", "seed -1"),
    ],
)
def test_levels_have_short_names(override: str, level: str) -> None:
    assert level_of(override) == level


@pytest.mark.parametrize(
    ("low", "high", "better", "said"),
    [
        (0.1, 0.3, "higher", "better"),
        (0.1, 0.3, "lower", "worse"),
        (-0.3, -0.1, "lower", "better"),
        (-0.3, -0.1, "higher", "worse"),
        (-0.1, 0.3, "higher", "unclear"),
        (0.0, 0.3, "higher", "unclear"),
        (0.1, 0.3, "open", "more"),
        (-0.3, -0.1, "target", "less"),
        (math.nan, math.nan, "higher", "unclear"),
    ],
)
def test_verdicts_come_from_intervals(low: float, high: float, better: str, said: str) -> None:
    assert verdict(low, high, better) == said
