"""Baselines are what they are called."""

from pathlib import Path

import torch

from evaluation.baselines import FROZEN, TRUTH, baseline_clip, frozen, truth
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
