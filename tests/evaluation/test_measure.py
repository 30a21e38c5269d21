"""Properties that every metric must have, whoever adds it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation import metrics
from evaluation.evidence import Evidence, look
from evaluation.instruments import Equipment
from evaluation.measure import Measure, choose, discover
from tests.evaluation.made import MOVING, truth

MEASURES = {name: measure for name, measure in discover().items() if not Equipment().lacking(measure.needs)}
"""Those that need no weights; `tests/evaluation/metrics/test_networks.py` sweeps the others."""

SPREAD = {
    "scroll_ratio": 0.13,  # captioned speeds vary by 12 %
    "motion_ratio": 0.6,  # these four have their target on average over captions: tests/evaluation/metrics
    "jitter_ratio": 2.0,
    "relapse_excess": 1.0,
    "chunk_seams": 0.1,
    "fidelity": 0.2,
}
"""How far a single true video may be from a metric's target."""
SWEEP = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return look(truth(30), MOVING)


@SWEEP
def test_there_is_one_score_a_video(measure: Measure, evidence: Evidence) -> None:
    scores = measure(evidence)
    assert scores.shape == (len(MOVING),)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@SWEEP
def test_the_truth_scores_perfectly(measure: Measure, evidence: Evidence) -> None:
    if not np.isnan(measure.target):
        assert measure(evidence).numpy() == pytest.approx(measure.target, abs=SPREAD.get(measure.name, 0.01))


@SWEEP
def test_a_video_is_scored_alone(measure: Measure, evidence: Evidence) -> None:
    assert evidence.frames is not None
    alone = torch.cat([measure(look(evidence.frames[i : i + 1], [prompt])) for i, prompt in enumerate(MOVING)])
    torch.testing.assert_close(alone, measure(evidence), atol=1e-5, rtol=1e-5)


@SWEEP
def test_too_few_frames_have_no_score(measure: Measure, evidence: Evidence) -> None:
    short = measure(evidence.between(0, measure.min_frames - 1)) if measure.min_frames > 1 else None
    assert short is None or short.isnan().all()
    assert measure(evidence.between(0, measure.min_frames)).shape == (len(MOVING),)


@SWEEP
def test_names_and_titles_fit_into_tables(measure: Measure) -> None:
    assert measure.name.isidentifier()
    assert 0 < len(measure.title) <= 24
    assert MEASURES[measure.name] is measure


def test_what_needs_the_toy_world_says_so() -> None:
    other = look(truth(30), ["a cat walks"] * len(MOVING), details=({"chunks": [3, 3]},) * len(MOVING))
    for measure in MEASURES.values():
        if measure.kind == "any":
            assert measure(other).isfinite().all()
        else:
            with pytest.raises(ValueError, match="not of the toy world"):
                measure(other)


@pytest.mark.parametrize(
    ("better", "errors"), [("higher", [-1, -3]), ("lower", [1, 3]), ("target", [1, 1]), ("open", [np.nan, np.nan])]
)
def test_errors_are_low_where_scores_are_good(better: str, errors: list[float]) -> None:
    measure = replace(MEASURES["contrast"], better=better, target=2.0)  # type: ignore[arg-type]
    assert measure.error(np.array([1.0, 3.0])) == pytest.approx(errors, nan_ok=True)


def test_a_target_must_be_known() -> None:
    with pytest.raises(ValueError, match="'contrast': better is 'target'"):
        replace(MEASURES["contrast"], target=float("nan"))


def test_metrics_are_chosen_by_name() -> None:
    assert list(choose(["contrast", "jitter"])) == ["contrast", "jitter"]
    assert choose(None) == discover()
    with pytest.raises(ValueError, match=r"'contrst' is unknown; allowed: .*contrast"):
        choose(["contrst"])


def test_a_new_file_is_found_and_a_taken_name_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "from evaluation.measure import Measure\n"
        "MEASURES = (Measure(name={!r}, title='x', better='open', kind='any', function=len),)\n"
    )
    (tmp_path / "zz_new_for_a_test.py").write_text(text.format("brand_new"))
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    assert list(discover())[-1] == "brand_new"
    (tmp_path / "zz_taken_for_a_test.py").write_text(text.format("contrast"))
    with pytest.raises(ValueError, match=r"zz_taken_for_a_test.*'contrast' is taken"):
        discover()


def test_a_reward_optimises_what_names_it() -> None:
    measure = replace(MEASURES["contrast"], optimised_by=("tracked_motion", "VideoReward"))
    assert measure.optimised("tracked_motion")
    assert measure.optimised("weighted_sum: 2 VideoReward MQ (uncalibrated) + 1 frame_difference")
    assert not any(measure.optimised(reward) for reward in ("none", "", "frame_difference"))


def test_rewards_that_metrics_name_exist() -> None:
    options = {path.stem for path in Path("configs/reward").glob("*.yaml")}
    named = {measure.name: measure.optimised_by for measure in MEASURES.values() if measure.optimised_by}
    assert {"net_displacement", "frame_difference", "one_sprite"} <= set(named)
    for name, rewards in named.items():
        assert set(rewards) & options, f"{name}: none of {rewards} is an option in configs/reward"
