"""The shipped checkpoints are as good as their model cards say: the floor under every later claim."""

from pathlib import Path

import pytest
import torch

from reward_forcing.codecs.toy_codec import load_codec
from reward_forcing.composition.places import shipped
from reward_forcing.generate import Teaching
from reward_forcing.streaming import load_streamer
from reward_forcing.toy import tracker
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace

FOLDER = Path(shipped("checkpoints/toy"))
FRESH = 7_000_003
"""Seed of scenes and noise that no training and no search for a recipe has seen."""


def captions(file: str, count: int) -> list[str]:
    lines = Path(shipped(f"experiments/{file}.txt")).read_text().splitlines()
    return lines[:: len(lines) // count][:count]


def score(values: torch.Tensor) -> float:
    return float(values.float().nanmean())


def test_the_checkpoints_are_small_and_have_cards() -> None:
    files = sorted(FOLDER.glob("*.safetensors"))
    assert [file.stem for file in files] == ["codec", "initial_student", "teacher"]
    assert sum(file.stat().st_size for file in files) <= 12_000_000
    for file in files:
        card = file.with_suffix(".md").read_text().lower()
        for needed in ("command", "data", "reward-forcing train experiments=toy_", "seed", "metrics"):
            assert needed in card, f"{file.stem}: {needed}"
        assert "@" not in card


def test_the_codec_keeps_everything_a_tracker_can_see() -> None:
    scenes = [sample(FRESH, index) for index in range(32)]
    video, prompts = render(trace(scenes, 0, 21)), [scene.caption for scene in scenes]
    codec = load_codec(FOLDER / "codec.safetensors")
    with torch.inference_mode():
        decoded = codec.decode(codec.encode(video)).clamp(-1, 1)
    noise = (decoded - video).square().mean() / 4  # of a range from 0 to 1
    assert -10 * noise.log10() > 37
    seen = tracker.track(decoded, prompts)
    assert score(seen.one) == 1
    assert score(tracker.colour_accuracy(seen, prompts)) == 1
    assert score(tracker.shape_accuracy(seen, prompts)) > 0.995
    assert score(tracker.pan_accuracy(seen, prompts)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("file", "shape_floor"), [("toy_prompts", 0.6), ("toy_prompts_plain", 0.75)])
def test_the_teacher_stands_above_its_floors(file: str, shape_floor: float) -> None:
    prompts = captions(file, 12)
    how = vars(Teaching())
    video = load_streamer(FOLDER / "teacher.safetensors").sample(prompts, [FRESH] * len(prompts), **how)
    seen = tracker.track(video.clamp(-1, 1), prompts)
    assert score(seen.one) >= 0.93
    assert score(tracker.shape_accuracy(seen, prompts)) >= shape_floor
    if file == "toy_prompts":
        assert score(tracker.pan_accuracy(seen, prompts)) >= 0.9


def test_the_initial_student_already_streams_sprites() -> None:
    prompts = captions("toy_prompts", 6)
    streamer = load_streamer(FOLDER / "initial_student.safetensors")
    with torch.inference_mode():
        video = torch.cat(list(streamer.stream(prompts, [FRESH] * len(prompts), chunks=7)), 1)
    assert score(tracker.track(video.clamp(-1, 1), prompts).one) >= 0.9
