"""The tracker: perfect on the truth, and falling where a picture is broken in a known way."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reward_forcing.toy import tracker
from reward_forcing.toy.render import render
from reward_forcing.toy.tracker import Track
from reward_forcing.toy.world import PAN_OF_WORD, States, sample, trace

CLIPS = 240
SCENES = [sample(11, index) for index in range(CLIPS)]
PROMPTS = [scene.caption for scene in SCENES]


@pytest.fixture(scope="module")
def states() -> States:
    return trace(SCENES, 0, 21)


@pytest.fixture(scope="module")
def video(states: States) -> Tensor:
    return render(states)


@pytest.fixture(scope="module")
def seen(video: Tensor) -> Track:
    return tracker.track(video, PROMPTS)


def test_truth_scores_perfect(seen: Track) -> None:
    assert bool(seen.one.all())
    assert float(tracker.colour_accuracy(seen, PROMPTS).mean()) == 1
    assert float(tracker.shape_accuracy(seen, PROMPTS).mean()) == 1
    assert float(tracker.speed_accuracy(seen, PROMPTS).nanmean()) == 1
    assert float(tracker.pan_accuracy(seen, PROMPTS).nanmean()) == 1
    assert float(tracker.jumps(seen).max()) == 0
    assert float(seen.iou.min()) > 0.9
    assert float(seen.palette_distance.max()) < 1e-3
    torch.testing.assert_close(seen.contrast, torch.ones_like(seen.contrast), rtol=0, atol=0.01)
    assert float(seen.fidelity.mean(1).min()) > 49
    assert float(seen.paint_error.max()) < 0.01
    assert bool((seen.colour_kept * seen.shape_kept == 1).all())
    assert float(tracker.resets(seen).max()) == 0
    assert float(tracker.pan_direction(seen, PROMPTS).nan_to_num(1).min()) == 1


def test_truth_is_measured_exactly(seen: Track, states: States) -> None:
    torch.testing.assert_close(seen.centre, states.centre, rtol=0, atol=0.25)
    torch.testing.assert_close(seen.shift, states.scroll.diff(dim=1), rtol=0, atol=1e-3)


def test_scores_without_a_question_are_nan(seen: Track) -> None:
    speed, pan = tracker.speed_accuracy(seen, PROMPTS), tracker.pan_accuracy(seen, PROMPTS)
    ratio = tracker.scroll_ratio(seen, PROMPTS)
    for index, prompt in enumerate(PROMPTS):
        _, _, speed_word, pan_word = prompt.split()
        assert bool(speed[index].isnan()) == (speed_word == "any")
        assert bool(pan[index].isnan()) == (pan_word in {"pan-any", "plain"})
        assert bool(ratio[index].isnan()) == (PAN_OF_WORD.get(pan_word, 0.0) == 0)


def test_ratio_of_the_truth_is_about_one(seen: Track) -> None:
    ratio = tracker.scroll_ratio(seen, PROMPTS)
    assert float((ratio - 1).abs().nan_to_num().max()) < 0.13


def test_copy_score_is_one_when_still_and_zero_on_average_when_panning() -> None:
    still = [sample(12, index, caption="red circle slow pan-still") for index in range(12)]
    score = tracker.track(render(trace(still, 0, 12)), [scene.caption for scene in still]).copy
    torch.testing.assert_close(score, torch.ones_like(score), rtol=0, atol=1e-3)
    fast = [sample(12, index, caption="red circle slow pan-fast") for index in range(24)]
    score = tracker.track(render(trace(fast, 0, 108)), [scene.caption for scene in fast]).copy
    assert abs(float(score.mean())) < 0.1


def test_wrong_captions_score_nothing(video: Tensor) -> None:
    turned = {"red": "blue", "circle": "cross", "slow": "fast", "pan-still": "pan-fast"}
    picked = [index for index, prompt in enumerate(PROMPTS) if any(word in prompt.split() for word in turned)][:48]
    wrong = [" ".join(turned.get(word, word) for word in PROMPTS[index].split()) for index in picked]
    seen = tracker.track(video[picked], wrong)
    scores = {
        "red": tracker.colour_accuracy(seen, wrong).mean(1),
        "circle": tracker.shape_accuracy(seen, wrong).mean(1),
        "slow": tracker.speed_accuracy(seen, wrong),
        "pan-still": tracker.pan_accuracy(seen, wrong),
    }
    for word, score in scores.items():
        asked = torch.tensor([word in PROMPTS[index].split() for index in picked])
        assert asked.any()
        assert float(score[asked].nan_to_num().max()) == 0


def test_two_sprites_or_none_are_not_one(states: States, video: Tensor) -> None:
    other = render(replace(states, centre=32 - states.centre))
    far = (2 * states.centre - 32).norm(dim=-1) > 16
    both = torch.where((other.amax(2) - other.amin(2) > 0.8)[:, :, None], other, video)
    assert not tracker.track(both, PROMPTS).one[far].any()
    empty = render(replace(states, radius=torch.full_like(states.radius, 0.01)))
    assert not tracker.track(empty, PROMPTS).one.any()
    assert not tracker.track(torch.zeros_like(video), PROMPTS).one.any()


def test_a_shuffled_video_jumps(video: Tensor) -> None:
    fast = [index for index, prompt in enumerate(PROMPTS) if prompt.split()[2] == "fast"]
    shuffled = video[fast][:, torch.randperm(21, generator=torch.Generator().manual_seed(0))]
    seen = tracker.track(shuffled, [PROMPTS[index] for index in fast])
    assert float(tracker.jumps(seen).mean()) > 0.3
    assert float(tracker.jitter(seen).mean()) > 3


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_contrast_follows_the_palette(states: States, gain: float) -> None:
    middle = states.palette.mean(1, keepdim=True)
    loud = render(replace(states, palette=middle + gain * (states.palette - middle)))
    changed = torch.cat([render(states)[:, :3], loud[:, 3:]], 1)
    seen = tracker.track(changed, PROMPTS)
    torch.testing.assert_close(seen.contrast[:, 3:], torch.full((CLIPS, 18), gain), rtol=0, atol=0.05)


def test_palette_distance_sees_another_hue(states: States) -> None:
    shifted = states.palette + torch.tensor([0.1, -0.1, 0.0])
    changed = torch.cat([render(states)[:, :3], render(replace(states, palette=shifted))[:, 3:]], 1)
    distance = tracker.track(changed, PROMPTS).palette_distance
    assert float(distance[:, :3].max()) < 1e-3
    assert float(distance[:, 3:].mean()) > 0.08


def test_a_window_of_a_track_keeps_its_references(seen: Track, video: Tensor) -> None:
    part = tracker.window(seen, 9, 15)
    assert part.one.shape == (CLIPS, 6)
    assert part.shift.shape == (CLIPS, 5)
    torch.testing.assert_close(part.copy, seen.copy[:, 9:15])
    alone = tracker.track(video[:, 9:15], PROMPTS)
    torch.testing.assert_close(part.shift, alone.shift)
    assert not torch.allclose(part.copy, alone.copy)


def test_displacements_need_enough_frames(seen: Track) -> None:
    part = tracker.window(seen, 0, 6)
    for measure in (tracker.net_displacement, tracker.scroll_displacement):
        assert measure(part, 5).shape == (CLIPS, 1)
        with pytest.raises(ValueError, match="frames is 6; the video has only 6"):
            measure(part, 6)


def test_net_displacement_of_a_straight_flight() -> None:
    scenes = [replace(sample(1, 0, caption="red circle medium plain"), position=(8.0, 8.0), direction=(0.6, 0.8))]
    seen = tracker.track(render(trace(scenes, 0, 13)), [scenes[0].caption])
    speed = scenes[0].segments[0].sprite_speed
    assert float(tracker.net_displacement(seen, 12)) == pytest.approx(12 * speed, abs=0.2)
    assert float(tracker.step_motion(seen).mean()) == pytest.approx(speed, abs=0.1)


def test_prompts_are_counted(video: Tensor) -> None:
    with pytest.raises(ValueError, match="1 prompts for 2 clips"):
        tracker.track(video[:2], PROMPTS[:1])


def test_pans_go_in_the_captioned_direction_or_not(video: Tensor) -> None:
    words = [prompt.rsplit(" ", 1)[1] for prompt in PROMPTS[:40]]
    asked = torch.tensor([word in ("pan-slow", "pan-fast") for word in words])
    forth, back, still = (
        tracker.pan_direction(tracker.track(some, PROMPTS[:40]), PROMPTS[:40])
        for some in (video[:40], video[:40].flip(1), video[:40, :1].expand(-1, 21, -1, -1, -1))
    )
    assert (forth[asked] == 1).all()
    assert (back[asked] == -1).all()
    torch.testing.assert_close(still[asked], torch.zeros_like(still[asked]), rtol=0, atol=0.01)
    assert forth[~asked].isnan().all()


def test_resets_are_counted_where_the_sprite_leaps_home() -> None:
    prompt = "red circle fast plain"
    video = render(trace([sample(13, 5, caption=prompt)], 0, 30))
    again = video[:, [*range(12), *range(12), *range(6)]]
    still = video[:, :1].expand(-1, 30, -1, -1, -1)
    away = int(tracker.track(video, [prompt]).from_start.argmax())
    there = torch.cat([still[:, :10], video[:, away : away + 1], still[:, :10]], 1)
    found = [float(tracker.resets(tracker.track(some, [prompt]))) for some in (video, again, still, there)]
    assert found == [0, 2, 0, 1]
    lost = torch.zeros_like(video)
    assert tracker.resets(tracker.track(lost, [prompt])).isnan().all()


def test_frames_are_drawn_again_only_if_asked(video: Tensor, seen: Track) -> None:
    quick = tracker.track(video[:4], PROMPTS[:4], redraw=False)
    assert quick.fidelity.isnan().all()
    assert quick.colour_kept.isnan().all()
    torch.testing.assert_close(quick.centre, seen.centre[:4])
    torch.testing.assert_close(quick.pattern, seen.pattern[:4])


def test_windows_keep_the_first_chunk_as_reference(video: Tensor, seen: Track) -> None:
    late = tracker.window(seen, 10, 20)
    torch.testing.assert_close(late.from_start, seen.from_start[:, 10:20])
    alone = tracker.track(video[:8, 10:20], PROMPTS[:8])
    assert (alone.from_start[:, 0] == 0).all()
    assert (late.from_start[:8, 0] > 0).any()
