"""Baselines are what they are called."""

from pathlib import Path

import pytest
import torch

from evaluation.baselines import (
    FROZEN,
    GRAIN,
    GREY,
    LOOPED,
    NOISE,
    SHUFFLED,
    TRUTH,
    baseline_clip,
    baselines_for,
    frozen,
    looped,
    truth,
)
from evaluation.evidence import look
from evaluation.manifest import Entry
from evaluation.metrics.toy_sprite import colour_accuracy, shape_accuracy
from reward_forcing.videos import Clip
from tests.evaluation.made import MOVING
from tests.evaluation.made import truth as true_videos


def test_the_truth_is_as_captioned_and_always_the_same() -> None:
    frames = torch.stack([truth(prompt, seed, 16) for seed, prompt in enumerate(MOVING)])
    evidence = look(frames, MOVING)
    assert (colour_accuracy(evidence) == 1).all()
    assert (shape_accuracy(evidence) == 1).all()
    assert torch.equal(truth(MOVING[0], 0, 9), frames[0, :9])
    assert not torch.equal(truth(MOVING[0], 1, 9), frames[0, :9])


def test_a_frozen_video_is_its_first_frame() -> None:
    clip = Clip(true_videos(5)[0], 8.0)
    still = frozen(clip)
    assert still.shape == clip.frames.shape
    assert all(torch.equal(frame, clip.frames[0]) for frame in still)


def test_baselines_are_as_long_and_as_fast_as_the_video_beside_them() -> None:
    entry = Entry(Path("a.mkv"), MOVING[1], 4, "ema", 8.0)
    clip = Clip(true_videos(5)[1], 8.0)
    assert torch.equal(baseline_clip(TRUTH, entry, clip).frames, truth(MOVING[1], 4, 5))
    assert torch.equal(baseline_clip(FROZEN, entry, clip).frames, frozen(clip))
    assert baseline_clip(TRUTH, entry, clip).fps == 8.0


def test_every_prompt_has_a_world_of_its_own() -> None:
    """Not the same palette and path under other words: the truth's spread over prompts is real."""
    first, second = (truth(f"{colour} circle slow pan-still", 0, 1) for colour in ("red", "blue"))
    corners = (..., slice(0, 3), slice(0, 3))
    assert not torch.equal(first[corners], second[corners])


def made(name: str, seed: int = 4, prompt: str = MOVING[1], frames: int = 9) -> torch.Tensor:
    entry = Entry(Path("a.mkv"), prompt, seed, "ema", 8.0)
    return baseline_clip(name, entry, Clip(true_videos(frames)[1], 8.0)).frames


@pytest.mark.parametrize("name", baselines_for(MOVING[0]))
def test_baselines_depend_on_prompt_seed_and_video_only(name: str) -> None:
    assert torch.equal(made(name), made(name))
    assert made(name).shape == (9, 3, 32, 32)
    assert made(name, frames=1).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("name", [NOISE, SHUFFLED])
def test_random_ones_differ_between_seeds_and_prompts(name: str) -> None:
    assert not torch.equal(made(name), made(name, seed=5))
    assert not torch.equal(made(name), made(name, prompt=MOVING[0]))


def test_noise_is_grey_grain() -> None:
    levels = made(NOISE, frames=30).float()
    assert float(levels.mean()) == pytest.approx(GREY, abs=1)
    assert float(levels.std()) == pytest.approx(GRAIN, rel=0.05)
    pairs = torch.stack([levels[:-1].flatten(), levels[1:].flatten()])
    assert abs(float(torch.corrcoef(pairs)[0, 1])) < 0.02


def test_shuffled_frames_are_the_videos_and_looped_ones_its_first_half() -> None:
    video = true_videos(9)[1]
    order = [int((video == frame).flatten(1).all(1).nonzero()[0]) for frame in made(SHUFFLED)]
    assert sorted(order) == list(range(9))
    assert order != list(range(9))
    assert torch.equal(looped(Clip(video, 8.0)), video[[0, 1, 2, 3, 4, 0, 1, 2, 3]])
    assert torch.equal(made(LOOPED), looped(Clip(video, 8.0)))


def test_the_truth_stands_beside_toy_videos_only() -> None:
    assert baselines_for("a cat") == (FROZEN, NOISE, SHUFFLED, LOOPED)
    assert baselines_for(MOVING[0]) == (TRUTH, FROZEN, NOISE, SHUFFLED, LOOPED)
