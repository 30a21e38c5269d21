"""Evidence is checked at the door and keeps its references when it is cut."""

import pytest
import torch

from evaluation.evidence import is_toy, look, observe
from evaluation.signals import Asked
from tests.evaluation.made import MOVING, truth


def test_parts_keep_the_references_of_the_whole() -> None:
    frames = truth(30)
    whole = look(frames, MOVING)
    part = whole.between(14, 26)
    assert part.frames is not None
    assert torch.equal(part.frames, frames[:, 14:26])
    assert part.length == 12
    assert torch.equal(part.signal("since_start"), whole.signal("since_start")[:, 14:26])
    assert torch.equal(part.signal("change"), whole.signal("change")[:, 14:25])
    assert torch.equal(part.toy.palette_distance, whole.toy.palette_distance[:, 14:26])
    assert torch.equal(part.toy.copy, whole.toy.copy[:, 14:26])
    assert part.toy.shift.shape == (len(MOVING), 11)


def test_other_worlds_have_no_track() -> None:
    evidence = look(truth(4), ["a cat", *MOVING[1:]])
    assert evidence.track is None
    assert evidence.frames is None
    assert evidence.between(1, 3).track is None
    with pytest.raises(ValueError, match=r"'a cat'.*not of the toy world"):
        _ = evidence.toy


@pytest.mark.parametrize(
    ("prompt", "size", "toy"),
    [(MOVING[0], (32, 32), True), (MOVING[0], (64, 32), False), ("red circle", (32, 32), False), ("", (32, 32), False)],
)
def test_the_toy_world_is_known_by_its_captions_and_its_size(prompt: str, size: tuple[int, int], toy: bool) -> None:
    assert is_toy(prompt, size) is toy


@pytest.mark.parametrize(
    "frames", [torch.zeros(1, 4, 3, 8, 8), torch.zeros(4, 3, 8, 8, dtype=torch.uint8), truth(2).transpose(1, 2)]
)
def test_wrong_frames_are_refused(frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="allowed: uint8"):
        look(frames, ["x"] * len(frames))


def test_prompts_must_be_as_many_as_videos() -> None:
    with pytest.raises(ValueError, match="2 prompts for 3 videos"):
        look(truth(2), MOVING[:2])


def test_a_video_that_breaks_off_is_refused() -> None:
    with pytest.raises(ValueError, match="breaks off: 4 frames of 9"):
        observe([truth(4)], Asked(MOVING, 9, 8.0))


def test_signals_that_nobody_saw_are_named() -> None:
    with pytest.raises(ValueError, match="no instrument saw 'flow'; seen: change, since_start, thumbnail"):
        look(truth(4), MOVING).signal("flow")


def test_parts_of_parts_are_parts() -> None:
    whole = look(truth(30), MOVING)
    one, other = whole.between(5, 25).between(3, 10), whole.between(8, 15)
    assert (one.start, one.stop) == (other.start, other.stop) == (8, 15)
    assert torch.equal(one.signal("change"), other.signal("change"))
