import math

import pytest
import torch

from benchmarks.approximations import PROMPTS, STUDENT, approximations, choices, looks, psnr
from benchmarks.small import SCENE
from evaluation.baselines import truth
from reward_forcing.composition.places import shipped
from reward_forcing.engine.fast import Fast
from reward_forcing.streaming import load_streamer
from reward_forcing.videos import to_float

LEVELS = (1.0, 0.9, 0.75, 0.5)


def test_psnr_is_known_for_known_errors() -> None:
    black = torch.full((1, 2, 3, 4, 4), -1.0)
    assert psnr(black, -black) == pytest.approx(0)
    assert psnr(black, black + 0.2) == pytest.approx(20)
    assert math.isinf(psnr(black, black))


def test_true_videos_show_one_sprite_and_keep_their_palette_and_noise_does_not() -> None:
    videos = to_float(torch.stack([truth(prompt, seed, 12) for seed, prompt in enumerate(PROMPTS)]))
    true = looks(videos, 6)
    noise, grey = videos.clone(), videos.clone()
    noise[:, -6:] = torch.randn_like(videos[:, -6:]).clamp(-1, 1)
    grey[:, -6:] = videos[:, -6:] * 0.5
    assert true["late_one_sprite"] > 0.9 > looks(noise, 6)["late_one_sprite"]
    assert true["late_contrast"] > 1.5 * looks(grey, 6)["late_contrast"]
    assert true["late_palette_drift"] < looks(grey, 6)["late_palette_drift"]


def test_a_change_changes_one_thing() -> None:
    streamer = load_streamer(shipped(STUDENT))
    changed = {name: choice.of(streamer).rollout for name, choice in choices(LEVELS).items()}
    exact = changed.pop("exact")
    assert exact.engine == Fast()
    assert exact.levels == streamer.rollout.levels
    for one in changed.values():
        same = [getattr(one, key) == getattr(exact, key) for key in ("levels", "memory", "engine", "context_gradient")]
        assert same.count(False) == 1
    assert changed["two steps"].levels == (1.0, 0.75)
    assert changed["no last step"].levels == LEVELS[:-1]
    assert changed["last step without blocks"].engine == Fast(reuse=0.625)
    assert changed["window of two chunks"].memory.window_frames == 6


def test_only_the_first_row_is_exact() -> None:
    wanted = choices(LEVELS)
    assert [name for name, choice in wanted.items() if choice.exact] == ["exact"]


def test_every_approximation_is_told_with_its_pictures() -> None:
    told = approximations(chunks=8, mini_chunks=1, draws=1, mini=SCENE)
    rows = told["toy"]
    assert [*rows] == [*choices(LEVELS)]
    assert rows["exact"]["exact"]
    assert rows["exact"]["times_as_fast"] == 1
    assert rows.pop("exact")["first_clip_psnr_db"] is None
    for row in rows.values():
        assert not row["exact"]
        assert 5 < row["first_clip_psnr_db"] < 90
        assert 0 <= row["late_one_sprite"] <= 1
    assert {name: row["exact"] for name, row in told["wan_mini"].items()} == {
        "exact": True,
        "last step without blocks": False,
        "no context pass": False,
        "int8 layers": False,
        "float8 layers": False,
    }
    assert {name: [*rows] for name, rows in told.items() if name.endswith("teacher")} == {
        "toy_teacher": ["exact", "int8", "float8", "bf16"],
        "wan_mini_teacher": ["exact", "int8", "float8", "bf16"],
    }
