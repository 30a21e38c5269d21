"""Copies, relapses and seams that are put there on purpose are found, and nothing else is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluation.functional.sink_copying import (
    boundary_discontinuity,
    cut_boundaries,
    cuts,
    cuts_at_boundaries,
    late_mean,
    no_repeat,
    relapse,
    relapses,
    revisits,
    rhythm,
    similarity_to_first,
    starts_of_chunks,
)

COURSES = st.lists(st.floats(0, 2).map(lambda x: round(x, 2)), min_size=2, max_size=20).map(
    lambda values: torch.tensor([values])
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def walk(clips: int, frames: int, features: int = 12) -> Tensor:
    """Features that never come back: a straight way with a little noise."""
    direction = noise(clips, 1, features, seed=1)
    return torch.arange(frames)[None, :, None] * direction + 0.01 * noise(clips, frames, features, seed=2)


def test_a_copy_of_any_first_frame_is_fully_similar_and_scale_does_not_matter() -> None:
    features = noise(2, 10, 64)
    features[:, 7] = 3 * features[:, 1]
    found = similarity_to_first(features, features[:, :3])
    assert found[:, [0, 1, 2, 7]].numpy() == pytest.approx(1, abs=1e-5)
    assert (found[:, [4, 5, 6]] < 0.6).all()
    assert similarity_to_first(-features[:, :1], features[:, :1]).numpy() == pytest.approx(-1, abs=1e-5)


def test_late_is_the_second_half() -> None:
    assert late_mean(torch.tensor([[0.0, 9, 2, 4], [1, 1, torch.nan, 5]])).tolist() == [3, 5]


def test_relapses_by_hand() -> None:
    """Up to 4, down to 1 (three quarters of 4), up to 3, down to 2."""
    distance = torch.tensor([[0.0, 2, 4, 1, 3, 2], [0, 1, 2, 3, 3, 4], [0, 4, 0, 4, 0, 4], [0, 0, 0, 0, 0, 0]])
    assert relapse(distance).tolist() == [0.75, 0, 1, 0]
    assert relapses(distance).tolist() == [1, 0, 2, 0]
    assert relapses(distance, depth=0.8).tolist() == [0, 0, 2, 0]
    assert relapses(distance, depth=0.2).tolist()[0] == 2


@given(COURSES)
def test_relapse_is_the_largest_fall_written_out(distance: Tensor) -> None:
    course = distance[0].tolist()
    largest = max(course[s] - course[t] for t in range(len(course)) for s in range(t + 1))
    expected = largest / max(course) if max(course) > 1e-3 else 0
    assert relapse(distance).item() == pytest.approx(expected, abs=1e-5)
    assert relapse(3 * distance).item() == pytest.approx(expected, abs=1e-5)
    assert bool(relapses(distance)) == (expected > 0.5)


@given(COURSES)
def test_who_only_leaves_never_relapses(distance: Tensor) -> None:
    leaving = distance.cummax(1).values
    assert relapse(leaving).item() == 0
    assert relapses(leaving).item() == 0


def test_rounding_is_no_relapse() -> None:
    still = 1e-6 * torch.rand(1, 50, generator=torch.Generator().manual_seed(0))
    assert relapse(still).item() == 0
    assert relapses(still).item() == 0


def test_chunks_start_where_they_start() -> None:
    assert starts_of_chunks(10, 3).tolist() == [3, 6, 9]
    assert starts_of_chunks(9, 3).tolist() == [3, 6]
    assert starts_of_chunks(22, 12, first=9).tolist() == [9, 21]
    assert starts_of_chunks(3, 3).tolist() == []
    with pytest.raises(ValueError, match="chunk is 0, first None; they must be at least 1"):
        starts_of_chunks(10, 0)


def test_resets_in_the_rhythm_of_chunks_are_told_from_smooth_courses() -> None:
    time = torch.arange(60.0)
    sawtooth, wave = time % 6, torch.sin(time / 9)
    found = rhythm(torch.stack([sawtooth, wave, time]), 6)
    assert found[0] > 0.8
    assert found[1] < 0
    assert found[2].isnan()
    assert rhythm(sawtooth[None], 5).item() < 0
    assert abs(rhythm(noise(1, 4000), 6).item()) < 0.1
    assert rhythm(sawtooth[None, :17], 6).isnan().all()
    with pytest.raises(ValueError, match="chunk is 1; it must be at least 2 frames"):
        rhythm(sawtooth[None], 1)


def test_cuts_are_far_above_the_usual_change() -> None:
    change = 1 + 0.1 * noise(2, 40).abs()
    change[0, [7, 20]] = 5
    assert cuts(change).nonzero().tolist() == [[0, 7], [0, 20]]
    assert not cuts(torch.full((1, 9), 3.0)).any()
    assert not cuts(torch.zeros(1, 9)).any()


def test_the_share_of_cuts_at_boundaries() -> None:
    """Change i is between frames i and i + 1: a cut into frame 12 is change 11."""
    change = 1 + 0.1 * noise(3, 29).abs()
    change[0, [11, 17, 20]] = 9
    change[1, [12, 18]] = 9
    found = cuts_at_boundaries(change, starts_of_chunks(30, 6))
    assert found[0] == pytest.approx(2 / 3)
    assert found[1] == 0
    assert found[2].isnan()


@given(st.floats(0.1, 9), st.integers(2, 7))
def test_seams_are_seen_in_proportion(height: float, chunk: int) -> None:
    change = torch.ones(1, 40)
    change[:, starts_of_chunks(41, chunk) - 1] = height
    assert boundary_discontinuity(change, starts_of_chunks(41, chunk)).item() == pytest.approx(height, rel=1e-5)
    assert boundary_discontinuity(5 * change, starts_of_chunks(41, chunk)).item() == pytest.approx(height, rel=1e-5)


def test_without_seams_or_without_change_there_is_no_ratio() -> None:
    still, moving = torch.zeros(1, 11), torch.ones(1, 11)
    assert boundary_discontinuity(still, starts_of_chunks(12, 3)).isnan()
    assert boundary_discontinuity(moving, starts_of_chunks(12, 20)).isnan()
    assert boundary_discontinuity(moving, starts_of_chunks(12, 1)).isnan()


def test_revisits_are_frames_that_copy_the_beginning() -> None:
    features = walk(3, 40)
    features[1, 30:33] = features[1, :3]
    features[2] = features[2, :1]
    found = revisits(features, 3)
    assert found[0] == 0
    assert found[1] == pytest.approx(3 / 34)
    assert found[2] == 1
    assert revisits(features[:, :6], 3).isnan().all()


def test_looking_like_another_frame_is_no_revisit() -> None:
    features = walk(1, 40)
    features[0, 30:33] = features[0, 10:13]
    assert revisits(features, 3).item() == 0


def test_revisits_do_not_depend_on_how_many_frames_are_compared_at_once() -> None:
    features = walk(1, 600)
    features[0, [100, 400, 599]] = features[0, 1].clone()
    assert revisits(features, 3).item() == pytest.approx(3 / 594)


def test_a_video_that_starts_again_repeats() -> None:
    features = 10 * noise(2, 40, 8)
    features[1, 21:31] = features[1, :10] + 0.01
    fresh, distance = no_repeat(features, 20, within=2, run=5, least=1.0)
    assert fresh.tolist() == [True, False]
    assert distance[1] == pytest.approx(0.01 * 8**0.5, rel=1e-3)
    assert distance[0] > 10


@pytest.mark.parametrize(("period", "run"), [(36, 5), (4, 5)])
def test_repetition_needs_a_video_long_enough(period: int, run: int) -> None:
    with pytest.raises(ValueError, match=f"period {period} .* need a video of {period + 2 + run} frames or more"):
        no_repeat(noise(1, 40, 4), period, within=2, run=run, least=1.0)


def test_chunks_that_begin_with_a_cut_are_counted() -> None:
    change = torch.ones(1, 11) + 0.01 * torch.arange(11)
    change[0, 3] = 50.0
    assert cut_boundaries(change, torch.tensor([4, 8])).tolist() == [0.5]
    assert cut_boundaries(change, torch.tensor([5, 8])).tolist() == [0.0]
    assert cut_boundaries(change, torch.tensor([], dtype=torch.long)).isnan().all()
