"""Constants are what the tracker sees in the truth, and the truth's distributions are the truth's."""

import pytest
import torch

from evaluation.functional import toy_truth
from evaluation.functional.pixels import sink_similarity
from reward_forcing.toy import tracker
from reward_forcing.toy.captions import parse
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace
from reward_forcing.videos import to_float, to_uint8


def watched(speed: str, pan: str, frames: int, scenes: int) -> tracker.Track:
    known = [
        sample(31, i, caption=f"green {shape} {speed} {pan}") for i, shape in enumerate(["circle", "cross"] * scenes)
    ]
    video = to_float(to_uint8(render(trace(known, 0, frames))))
    return tracker.track(video, [scene.caption for scene in known], redraw=False)


@pytest.mark.parametrize("speed", ["slow", "medium", "fast"])
def test_constants_are_what_the_tracker_sees(speed: str) -> None:
    seen = watched(speed, "plain", 37, 16)
    moved = float(tracker.net_displacement(seen).nanmean())
    assert moved == pytest.approx(toy_truth.NET_DISPLACEMENT[speed], rel=0.06)
    assert float(tracker.jitter(seen).nanmean()) == pytest.approx(toy_truth.JITTER[speed], rel=0.2)


def test_any_speed_is_between_the_others() -> None:
    for table in (toy_truth.NET_DISPLACEMENT, toy_truth.JITTER):
        assert table["slow"] < table["medium"] < table["any"] < table["fast"]
    prompts = ["red cross any plain", "red cross slow plain"]
    assert toy_truth.of_words({"any": 1.0, "slow": 2.0}, prompts).tolist() == [1, 2]


def test_scenes_are_under_their_words_and_differ() -> None:
    scenes = toy_truth.scenes_under("fast", "pan-slow", 9)
    words = [parse(scene.caption) for scene in scenes]
    assert {(w.speed, w.pan) for w in words} == {("fast", "pan-slow")}
    assert len({w.colour for w in words}) == 6
    assert len({scene.phase for scene in scenes}) == 9


def test_distances_are_those_of_rendered_truth_in_the_frames_asked_for() -> None:
    found = toy_truth.distances("red circle slow pan-fast", 10, 14, 3)
    video = to_uint8(render(trace(toy_truth.scenes_under("slow", "pan-fast", toy_truth.SCENES), 0, 14)))
    assert found == pytest.approx(1 - sink_similarity(video, video[:, :3])[:, 10:], abs=1e-5)
    later = toy_truth.distances("blue cross slow pan-fast", 130, 132, 3)
    assert later.shape == (toy_truth.SCENES, 2)


def test_states_seen_are_distributed_like_states_known() -> None:
    seen = toy_truth.states(watched("fast", "pan-fast", 30, 12))
    true = toy_truth.true_states("fast", "pan-fast")
    assert seen.flatten(0, 1).mean(0) == pytest.approx(true.mean.float(), abs=1.5)
    spread = (true.covariance.diagonal() - toy_truth.TOLERANCE**2).sqrt().float()
    assert seen.flatten(0, 1).std(0) == pytest.approx(spread, rel=0.35)
    assert toy_truth.true_states("fast", "plain").covariance[4, 4] == pytest.approx(toy_truth.TOLERANCE**2, rel=1e-6)


def test_where_the_sprite_was_lost_there_is_no_state() -> None:
    seen = watched("slow", "plain", 5, 1)
    seen.one[:, 2] = False
    assert toy_truth.states(seen).isnan().all(2)[0].tolist() == [False, True, True, False]
    assert torch.isfinite(toy_truth.states(seen)[:, 0]).all()
