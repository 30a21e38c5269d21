"""Pixel arithmetic against values known by hand."""

import pytest
import torch

from evaluation.functional.pixels import change, frame_difference, sink_similarity, temporal_flickering, thumbnails


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(sum(shape))).to(torch.uint8)


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_ramp_changes_by_its_step(step: int) -> None:
    frames = (torch.arange(10) * step).to(torch.uint8)[None, :, None, None, None].expand(2, 10, 3, 4, 5)
    assert (frame_difference(frames) == step).all()
    assert temporal_flickering(frame_difference(frames)) == pytest.approx(torch.full((2, 9), 1 - step / 255))


def test_levels_do_not_wrap_around() -> None:
    frames = torch.tensor([255, 0, 255], dtype=torch.uint8)[None, :, None, None, None].expand(1, 3, 3, 2, 2)
    assert frame_difference(frames).tolist() == [[255, 255]]
    assert temporal_flickering(frame_difference(frames)).tolist() == [[0, 0]]


def test_a_copy_of_any_first_frame_is_fully_similar() -> None:
    frames = noise(2, 6, 3, 8, 8)
    frames[:, 4] = frames[:, 1]
    similarity = sink_similarity(frames, frames[:, :3])
    assert similarity[:, [0, 1, 2, 4]] == pytest.approx(torch.ones(2, 4), abs=1e-5)
    assert (similarity[:, [3, 5]].abs() < 0.3).all()


def test_similarity_ignores_brightness_and_contrast() -> None:
    first = noise(1, 1, 3, 8, 8).float()
    assert sink_similarity(first * 0.3 + 20, first).item() == pytest.approx(1, abs=1e-5)
    assert sink_similarity(255 - first, first).item() == pytest.approx(-1, abs=1e-5)


def test_frames_without_contrast_are_not_similar_to_anything() -> None:
    grey = torch.full((1, 2, 3, 8, 8), 90, dtype=torch.uint8)
    assert sink_similarity(grey, noise(1, 3, 3, 8, 8)).tolist() == [[0, 0]]


def test_change_is_symmetric_and_zero_for_the_same() -> None:
    one, other = noise(2, 3, 8, 8), noise(2, 3, 8, 8).flip(0)
    assert torch.equal(change(one, other), change(other, one))
    assert (change(one, one) == 0).all()


@pytest.mark.parametrize("size", [(16, 16), (32, 64), (33, 17)])
def test_thumbnails_keep_the_mean(size: tuple[int, int]) -> None:
    flat = torch.full((2, 3, *size), 51, dtype=torch.uint8)
    assert thumbnails(flat).shape == (2, 64)
    assert thumbnails(flat) == pytest.approx(torch.full((2, 64), 0.2))
