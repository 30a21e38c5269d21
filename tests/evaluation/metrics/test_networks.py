"""Metrics that look through networks, with small networks of the real classes."""

import pickle
import warnings
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.evidence import Evidence, look, observe
from evaluation.functional.consistency import consistency
from evaluation.instruments import Equipment
from evaluation.measure import Measure, discover
from evaluation.signals import Asked
from evaluation.video_metric import VideoMetric
from evaluation.windows import Cut, cut
from tests.evaluation.backends.small import Counting, equipment, extractors, smooth

PROMPTS = ("A person is yoga", "a red boat")
DETAILS = ({"appearance_style": "pixel art", "scene": "city"}, {"official_prompt": "a person is dining"})
SMALL = Equipment(extractors())
MEASURES = {n: m for n, m in discover().items() if Equipment().lacking(m.needs) and not SMALL.lacking(m.needs)}
SWEEP = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
UNSAID = {"appearance_style", "human_action", "scene", "scene_all_frames", "static_flickering"}
"""Have nothing to say about some videos."""


def looked(frames: Tensor, prompts: tuple[str, ...] = PROMPTS, *, size: int = 5) -> Evidence:
    """What all small networks see, frames coming in pieces."""
    windows = tuple((part.start, part.stop) for part in cut(frames.shape[1], Cut()))
    asked = Asked(prompts, frames.shape[1], 16.0, windows, DETAILS[: len(prompts)])
    return observe(frames.split(size, 1), asked, extractors())


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return smooth(12, 128, 136, clips=2)


@pytest.fixture(scope="module")
def evidence(frames: Tensor) -> Evidence:
    return looked(frames)


@SWEEP
def test_there_is_one_score_a_video(measure: Measure, evidence: Evidence) -> None:
    scores = measure(evidence)
    assert scores.shape == (2,)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all() or measure.name in UNSAID | {"clip_consistency"}


@SWEEP
def test_a_video_is_scored_alone_and_in_any_pieces(measure: Measure, evidence: Evidence, frames: Tensor) -> None:
    alone = measure(looked(frames[:1], PROMPTS[:1], size=12))
    torch.testing.assert_close(alone, measure(evidence)[:1], atol=1e-4, rtol=1e-4, equal_nan=True)


@SWEEP
def test_too_few_frames_have_no_score(measure: Measure, evidence: Evidence) -> None:
    if measure.min_frames > 1:
        assert measure(evidence.between(0, measure.min_frames - 1)).isnan().all()


@SWEEP
def test_names_and_titles_fit_into_tables(measure: Measure) -> None:
    assert measure.name.isidentifier()
    assert 0 < len(measure.title) <= 24
    assert measure.kind == "any"


def test_scores_of_a_window_are_those_of_the_window_as_a_video(frames: Tensor, evidence: Evidence) -> None:
    """Of all that have windows, from an even frame on; the reference frame is the window's own first."""
    part, alone = evidence.between(4, 10), looked(frames[:, 4:10])
    for name, measure in MEASURES.items():
        if measure.scope == "window":
            torch.testing.assert_close(measure(part), measure(alone), atol=1e-4, rtol=1e-4, equal_nan=True, msg=name)


def test_a_frozen_video_is_perfect_where_change_is_bad(frames: Tensor) -> None:
    still = looked(frames[:, :1].expand(-1, 12, -1, -1, -1))
    for name in ("subject_consistency", "background_consistency"):
        torch.testing.assert_close(MEASURES[name](still), torch.ones(2))


def test_every_metric_reads_its_own_signal(evidence: Evidence) -> None:
    signal = evidence.signals
    torch.testing.assert_close(MEASURES["subject_consistency"](evidence), consistency(signal["dino"].values).mean(1))
    torch.testing.assert_close(
        MEASURES["background_consistency"](evidence), consistency(signal["clip_tensors"].values).mean(1)
    )
    torch.testing.assert_close(MEASURES["imaging_quality"](evidence), signal["imaging"].values.mean(1) / 100)
    torch.testing.assert_close(MEASURES["aesthetic_quality"](evidence), signal["aesthetic"].values.mean(1))
    torch.testing.assert_close(MEASURES["motion_smoothness"](evidence), 1 - signal["surprise"].values.mean(1) / 255)
    torch.testing.assert_close(MEASURES["flow_strength"](evidence), signal["flow"].values.mean(1))
    torch.testing.assert_close(MEASURES["flow_median"](evidence), signal["flow"].values.quantile(0.5, dim=1))


def test_words_decide(evidence: Evidence) -> None:
    style = MEASURES["appearance_style"](evidence)
    assert style.isfinite().tolist() == [True, False]
    assert MEASURES["human_action"](evidence).isfinite().all()  # the second by its official prompt
    assert torch.equal(MEASURES["temporal_style"](evidence), MEASURES["overall_consistency"](evidence))
    other = looked(smooth(12, 128, 136, clips=2), ("a cat", "a boat"))
    assert MEASURES["human_action"](other)[0].isnan()
    assert not torch.equal(MEASURES["clip_score"](other), MEASURES["clip_score"](evidence))


def test_an_action_is_recognised_if_it_is_sure(evidence: Evidence) -> None:
    sure = {"wrong": [0.99, 0.2, 0.3], "right": [0.9, 0.9, 0.1], "unsure": [0.1, 0.84, 0.2]}
    for name, hit in (("wrong", 0), ("right", 1), ("unsure", 0)):
        seen = replace(evidence.signals["actions"], values=torch.tensor(sure[name]).expand(2, 5, 3))
        there = replace(evidence, signals={**evidence.signals, "actions": seen})
        assert MEASURES["human_action"](there).tolist()[0] == hit


def test_flicker_counts_in_static_videos_only(evidence: Evidence) -> None:
    steps, ends = evidence.signals["flow_steps"], evidence.signals["flow_ends"]
    calm = {"flow_steps": replace(steps, values=steps.values * torch.tensor([[0.0], [1e6]])),
            "flow_ends": replace(ends, values=0 * ends.values)}  # fmt: skip
    there = replace(evidence, signals={**evidence.signals, **calm})
    assert MEASURES["static_share"](there).tolist() == [1, 0]
    found = MEASURES["static_flickering"](there)
    assert found[0] == discover()["temporal_flickering"](evidence)[0]
    assert found[1].isnan()


def test_small_frames_have_a_note_and_no_score() -> None:
    evidence = looked(smooth(12, 48, 64, clips=2))
    assert evidence.notes == ("no optical flow: frames of 48 x 64; RAFT needs 121 on each side",)
    assert MEASURES["dynamic_degree"](evidence).isnan().all()
    assert MEASURES["static_share"](evidence).isnan().all()
    assert MEASURES["subject_consistency"](evidence).isfinite().all()


def test_clip_to_clip_is_of_the_clips_beginnings() -> None:
    video = smooth(40, 40, 48, clips=1)
    found = discover()["clip_consistency"](look(video, ["a"], fps=8.0, instruments={"dinov2": extractors()["dinov2"]}))
    assert found.isfinite().all()
    one = look(video[:, :16], ["a"], fps=8.0, instruments={"dinov2": extractors()["dinov2"]})
    assert discover()["clip_consistency"](one).isnan().all()


def test_features_are_computed_once_for_all_who_need_them(frames: Tensor) -> None:
    """Two metrics and five windows, one look at every frame."""
    counting = Counting(extractors()["clip_pictures"])
    asked = Asked(PROMPTS, 12, 16.0, (), DETAILS)
    evidence = observe(frames.split(5, 1), asked, {"clip_pictures": counting})
    for name in ("clip_score", "appearance_style"):
        for start in range(0, 10, 2):
            MEASURES[name](evidence.between(start, start + 2))
    watchers = 3
    assert counting.videos == 1
    assert sorted(counting.seen) == sorted([5, 5, 2] * watchers)


def pictures(held: object) -> int:
    """Bytes of frames somewhere inside."""
    if isinstance(held, Tensor):
        return held.nbytes if held.dtype == torch.uint8 else 0
    parts = held.values() if isinstance(held, dict) else held if isinstance(held, list) else vars(held).values()
    return sum(pictures(part) for part in parts if isinstance(part, Tensor | dict | list))


def most_pictures(name: str, count: int) -> int:
    """Bytes of frames that an instrument keeps while a video of so many passes by."""
    watchers = extractors()[name](Asked(("a",), count, 8.0, ((0, count),))).values()
    most = 0
    for start in range(0, count, 8):
        for watcher in watchers:
            watcher.see(smooth(8, 40, 48, seed=start))
        most = max(most, sum(pictures(watcher) for watcher in watchers))
    return most


@pytest.mark.parametrize("name", ["dino", "dinov2", "clip_pictures", "flow", "viclip", "umt", "amt", "musiq"])
def test_long_videos_are_never_held(name: str) -> None:
    """What is kept are features, and the up to eight frames that a network will see together."""
    assert most_pictures(name, 160) <= 8 * 3 * 40 * 48


def one_of_two(rank: int, folder: Path) -> None:
    """Each process sees one video of two."""
    warnings.simplefilter("ignore", UserWarning)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    metric = VideoMetric("subject_consistency", equipment=equipment())
    metric.update(smooth(6, 40, 48, clips=2)[rank : rank + 1], PROMPTS[rank : rank + 1], indices=[rank])
    (folder / f"{rank}.txt").write_text(repr(metric.compute().item()))
    torch.distributed.destroy_process_group()


def test_two_processes_are_as_good_as_one(tmp_path: Path) -> None:
    alone = VideoMetric("subject_consistency", equipment=equipment())
    alone.update(smooth(6, 40, 48, clips=2), PROMPTS)
    processes = [get_context("fork").Process(target=one_of_two, args=(rank, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    for rank in (0, 1):
        assert float((tmp_path / f"{rank}.txt").read_text()) == pytest.approx(alone.compute().item(), abs=1e-6)


def test_metrics_can_be_pickled() -> None:
    metric = VideoMetric("clip_score", equipment=equipment())
    copied = pickle.loads(pickle.dumps(metric))
    for one in (metric, copied):
        one.update(smooth(4, 40, 48), PROMPTS[:1])
    assert copied.compute() == metric.compute()
