import math

import pytest
import torch

from benchmarks.approximations import PROMPTS, STUDENT, approximations, choices, looks, psnr
from evaluation.baselines import truth
from reward_forcing.composition.places import shipped
from reward_forcing.engine.fast import Fast
from reward_forcing.streaming import load_streamer
from reward_forcing.videos import to_float


def test_psnr_is_known_for_known_errors() -> None:
    black = torch.full((1, 2, 3, 4, 4), -1.0)
    assert psnr(black, -black) == pytest.approx(0)
    assert psnr(black, black + 0.2) == pytest.approx(20)
    assert math.isinf(psnr(black, black))


def test_true_videos_show_one_sprite_and_noise_does_not() -> None:
    videos = to_float(torch.stack([truth(prompt, seed, 8) for seed, prompt in enumerate(PROMPTS)]))
    true, noise = looks(videos), looks(torch.randn_like(videos).clamp(-1, 1))
    assert true["late_one_sprite"] > 0.9 > noise["late_one_sprite"]
    assert noise["late_contrast"] > true["late_contrast"]


def test_a_change_changes_one_thing() -> None:
    streamer = load_streamer(shipped(STUDENT))
    changed = {name: choice.of(streamer).rollout for name, choice in choices((1.0, 0.9, 0.75, 0.5)).items()}
    assert changed["exact"].engine == Fast()
    assert changed["exact"].levels == streamer.rollout.levels
    assert changed["two steps"].levels == (1.0, 0.75)
    assert changed["window of two chunks"].memory.window_frames == 6
    assert changed["no context pass"].engine == Fast(context_pass=False)
    assert changed["no context pass"].levels == streamer.rollout.levels


def test_every_approximation_is_told_with_its_pictures() -> None:
    told = approximations(chunks=8)
    assert [*told] == ["exact", "two steps", "window of two chunks", "no context pass"]
    assert told["exact"]["times_as_fast"] == 1
    assert math.isinf(told["exact"]["psnr_of_first_clip_db"])
    for name in ("two steps", "no context pass", "window of two chunks"):
        assert 5 < told[name]["psnr_of_first_clip_db"] < 90
        assert 0 <= told[name]["late_one_sprite"] <= 1
