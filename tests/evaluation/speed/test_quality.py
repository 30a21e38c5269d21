"""The stamp of timed frames: pictures pass, everything that is fast and worthless is suspicious."""

import hashlib
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluation.speed.quality import Stamp, Stamping, likeness, look
from tests.evaluation.made import MOVING, truth
from tests.evaluation.speed.scripted import picture


def stamp(video: Tensor, *, chunk: int = 3, prompt: str = "", finite: bool = True) -> Stamp:
    stamping = Stamping(prompt)
    for part in video.split(chunk, 1):
        stamping.add(part, finite=finite)
    return stamping.stamp()


def noise(frames: int = 6) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, frames, 3, 32, 32), generator=rng, dtype=torch.uint8)


def test_the_truth_of_the_toy_world_is_plausible() -> None:
    video = truth(12)[:1]
    found = stamp(video, prompt=MOVING[0])
    assert found.presence == 1
    assert found.likeness > 0.8
    assert found.change > 0
    assert found.frames == 12
    assert found.suspicions == []


@given(st.integers(1, 12))
def test_the_digest_is_that_of_the_frames_however_they_are_chunked(chunk: int) -> None:
    video = picture(12)
    assert stamp(video, chunk=chunk).digest == hashlib.sha256(video.numpy().tobytes()).hexdigest()


def test_other_frames_have_another_digest() -> None:
    changed = picture(6)
    changed[0, 5, 2, 7, 7] ^= 1
    assert stamp(changed).digest != stamp(picture(6)).digest


@pytest.mark.parametrize(
    ("video", "prompt", "suspicion"),
    [
        (noise(), "", "noise: neighbouring pixels are not alike"),
        (noise(), MOVING[0], "one sprite in only 0% of the frames"),
        (torch.full((1, 6, 3, 32, 32), 90, dtype=torch.uint8), "", "hardly any contrast"),
        (picture(1, size=32).expand(1, 6, 3, 32, 32), "", "a frozen picture"),
    ],
)
def test_worthless_frames_are_suspicious(video: Tensor, prompt: str, suspicion: str) -> None:
    assert any(words.startswith(suspicion) for words in stamp(video, prompt=prompt).suspicions)


def test_values_that_are_no_numbers_are_suspicious() -> None:
    assert stamp(picture(6), finite=False).suspicions == ["values that are no numbers"]
    assert stamp(picture(6)).suspicions == []


def test_one_colour_is_not_called_noise_as_well() -> None:
    grey = torch.full((1, 6, 3, 8, 8), 90, dtype=torch.uint8)
    assert not any("noise" in words for words in stamp(grey).suspicions)


def test_what_is_seen_in_two_frames_by_hand() -> None:
    frames = torch.zeros(1, 2, 3, 2, 2, dtype=torch.uint8)
    frames[0, 1, :, :, 1] = 10
    found = look(frames)
    assert found["contrast"] == pytest.approx(2.5), "0 and 5 levels"
    assert found["sharpness"] == pytest.approx(2.5), "across 0 and 10, down 0 and 0"
    assert found["change"] == pytest.approx(5)


def test_stripes_are_alike_along_themselves_and_opposite_across() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 3, 16, 16)
    assert likeness(stripes) == pytest.approx(0, abs=1e-6)
    assert likeness(stripes.roll(1, 3)) == pytest.approx(0, abs=1e-6)
    halves = torch.cat([torch.zeros(1, 3, 16, 8), torch.ones(1, 3, 16, 8)], 3)
    assert likeness(halves) == pytest.approx((1 + 13 / 15) / 2)
    assert likeness(torch.ones(1, 3, 4, 4)) == 0


def test_single_frames_are_compared_across_chunks() -> None:
    video = picture(4)
    assert stamp(video, chunk=1).change == pytest.approx(video[0].float().diff(dim=0).abs().mean().item(), rel=1e-5)
    assert math.isnan(stamp(picture(1)).change)
    assert stamp(picture(1)).suspicions == [], "one frame is not frozen"


def test_presence_is_asked_of_the_toy_world_only() -> None:
    assert math.isnan(stamp(truth(6)[:1], prompt="a fox").presence)
    assert math.isnan(stamp(picture(6), prompt=MOVING[0]).presence), "another size"


def test_a_stamp_needs_frames() -> None:
    with pytest.raises(ValueError, match="no frames to stamp"):
        Stamping().stamp()
