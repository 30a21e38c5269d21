"""Over many captions of both worlds the truth scores perfectly, and every trivial video is found out by some metric."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.baselines import FROZEN, LOOPED, NOISE, SHUFFLED, TRUTH, baseline_clip, baselines_for, truth
from evaluation.evidence import Evidence, look
from evaluation.manifest import Entry
from evaluation.measure import Measure, discover
from reward_forcing.toy.captions import COLOURS, PANS, PLAIN, SHAPES, SPRITE_SPEEDS
from reward_forcing.videos import Clip

FRAMES = 48
PROMPTS = tuple(
    f"{COLOURS[(i + j) % len(COLOURS)]} {SHAPES[(i + j) % len(SHAPES)]} {speed} {pan}"
    for i, speed in enumerate(SPRITE_SPEEDS)
    for j, pan in enumerate(PANS)
)
TOY = {name: m for name, m in discover().items() if m.kind == "toy"}
PIXELS = {name: m for name, m in discover().items() if set(m.needs) <= {"pixels"}}
PERFECT = {name: measure for name, measure in TOY.items() if not np.isnan(measure.target)}
ON_AVERAGE = {"motion_ratio": 0.08, "jitter_ratio": 0.25, "relapse_excess": 0.1, "scroll_ratio": 0.05, "fidelity": 0.1}
"""Their target is the mean over captions: how near it must be."""


def video(name: str, prompt: str) -> torch.Tensor:
    """A baseline beside the truth of seed 3."""
    entry = Entry(Path("a.mkv"), prompt, 3, "a", 8.0)
    return baseline_clip(name, entry, Clip(truth(prompt, 3, FRAMES), 8.0)).frames


@pytest.fixture(scope="module")
def evidence() -> Mapping[str, Evidence]:
    """The truth and all trivial videos."""
    names = baselines_for(PROMPTS[0])
    return {name: look(torch.stack([video(name, prompt) for prompt in PROMPTS]), PROMPTS) for name in names}


@pytest.mark.parametrize("measure", PERFECT.values(), ids=PERFECT)
def test_the_truth_has_the_target(measure: Measure, evidence: Mapping[str, Evidence]) -> None:
    scores = measure(evidence[TRUTH])
    near = ON_AVERAGE.get(measure.name, 0.02)
    assert float(scores.nanmean()) == pytest.approx(measure.target, abs=near)
    if measure.name not in ON_AVERAGE and measure.name != "chunk_seams":
        assert scores[~scores.isnan()].numpy() == pytest.approx(measure.target, abs=0.01)


@pytest.mark.parametrize("measure", PERFECT.values(), ids=PERFECT)
@pytest.mark.parametrize("plain", [True, False])
def test_in_either_world_the_truth_is_judged_or_not_at_all(
    measure: Measure, evidence: Mapping[str, Evidence], *, plain: bool
) -> None:
    """Only questions about the pan mean nothing where nothing pans; a speed may be left open."""
    of_world = torch.tensor([prompt.endswith(PLAIN) == plain for prompt in PROMPTS])
    unknown = measure(evidence[TRUTH])[of_world].isnan()
    about_pan = measure.name in {"pan_accuracy", "pan_direction", "scroll_ratio"}
    assert bool(unknown.all()) == (plain and about_pan)
    assert bool(unknown.any()) <= (about_pan or measure.name == "speed_accuracy")


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        (FROZEN, ("motion_ratio", "net_displacement", "scroll_ratio", "pan_direction", "stagnation", "copy_score")),
        (NOISE, ("one_sprite", "colour_accuracy", "shape_accuracy", "caption_accuracy")),
        (SHUFFLED, ("jitter", "jumps", "scroll_ratio", "pan_accuracy", "state_frechet", "sink_relapse")),
        (LOOPED, ("sink_relapse", "relapse_excess", "resets", "copy_score")),
    ],
)
def test_trivial_videos_are_found_out(name: str, metrics: tuple[str, ...], evidence: Mapping[str, Evidence]) -> None:
    """Clearly worse than the truth: by its spread over captions, or by a tenth of the scale where it has none."""
    for metric in metrics:
        measure = discover()[metric]
        true, trivial = (measure(evidence[which]) for which in (TRUTH, name))
        errors = [float(measure.error(np.array(float(scores.nanmean())))) for scores in (true, trivial)]
        spread = float(true[~true.isnan()].std()) / len(PROMPTS) ** 0.5
        assert errors[1] - errors[0] > max(2 * spread, 0.04), f"{metric}: {errors}"


def test_no_trivial_video_is_as_good_as_the_truth_everywhere_nor_bad_everywhere(
    evidence: Mapping[str, Evidence],
) -> None:
    """Why one metric is never enough."""
    for name in (FROZEN, SHUFFLED, LOOPED):
        judged = [m for m in {**TOY, **PIXELS}.values() if m.better != "open"]
        worse = [m.name for m in judged if _error(m, evidence[name]) > _error(m, evidence[TRUTH]) + 0.04]
        as_good = [m.name for m in judged if _error(m, evidence[name]) <= _error(m, evidence[TRUTH]) + 0.01]
        assert len(worse) >= 3, name
        assert len(as_good) >= 5, name


def _error(measure: Measure, seen: Evidence) -> float:
    return float(measure.error(np.array(float(measure(seen).nanmean()))))


def test_what_noise_does_not_show_is_not_judged(evidence: Mapping[str, Evidence]) -> None:
    """NaN instead of 0 where there is no sprite, so that a mean is not dragged by what was never measured."""
    noise = evidence[NOISE]
    for metric in ("identity", "fidelity", "motion_ratio", "jitter_ratio", "resets", "state_frechet"):
        assert TOY[metric](noise).isnan().all(), metric
    for metric in ("one_sprite", "colour_accuracy", "shape_accuracy"):
        assert (TOY[metric](noise) == 0).all(), metric
