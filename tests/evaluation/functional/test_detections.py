"""Scores of scripted boxes, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluation.functional.detections import (
    both_share,
    colour_share,
    direction_of,
    object_share,
    overlap,
    place_share,
    present,
)

NONE = [float("nan")] * 4
LEFT, RIGHT = [0.0, 0.4, 0.2, 0.6], [0.7, 0.4, 0.9, 0.6]
ABOVE, BELOW = [0.4, 0.0, 0.6, 0.2], [0.4, 0.7, 0.6, 0.9]


def frames(*boxes: list[float]) -> Tensor:
    """A box a frame, and a second that is never there."""
    return torch.tensor([[box, NONE] for box in boxes])


def test_presence() -> None:
    boxes = frames(LEFT, NONE, RIGHT, NONE)
    assert present(boxes).tolist() == [True, False, True, False]
    assert object_share(boxes) == 0.5
    assert object_share(frames(NONE, NONE)) == 0
    assert both_share(boxes, frames(LEFT, LEFT, NONE, NONE)) == 0.25
    assert both_share(boxes, boxes) == 0.5


def test_colours_where_there_is_no_object_count_as_failure() -> None:
    red, green, nothing = [0.9, 0.1], [0.2, 0.8], [float("nan")] * 2
    shares = torch.tensor([red, green, red, nothing])
    assert colour_share(shares, 0) == 0.5
    assert colour_share(shares, 1) == 0.25
    assert colour_share(torch.tensor([nothing]), 0) == 0


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (LEFT, RIGHT, "on the left of"),
        (RIGHT, LEFT, "on the right of"),
        (ABOVE, BELOW, "on the top of"),
        (BELOW, ABOVE, "on the bottom of"),
        (ABOVE, BELOW, "above"),
    ],
)
def test_directions_are_checked(one: list[float], other: list[float], words: str) -> None:
    direction = direction_of(words)
    assert direction is not None
    assert place_share(frames(one), frames(other), direction) == 1
    assert place_share(frames(other), frames(one), direction) == 0, "the other way round"
    turned = (direction[1], direction[0])
    assert place_share(frames(one), frames(other), turned) == 0, "across"
    assert place_share(frames(one), frames(NONE), direction) == 0
    assert place_share(frames(NONE), frames(NONE), direction) == 0


def test_overlapping_objects_get_less() -> None:
    one, other = [0.0, 0.0, 0.4, 0.4], [0.2, 0.0, 0.6, 0.4]
    assert place_share(frames(one), frames(other), (-1, 0)) == pytest.approx(0.1 * 3)
    assert place_share(frames(one, LEFT), frames(other, RIGHT), (-1, 0)) == pytest.approx((0.3 + 1) / 2)


def test_the_best_pair_of_a_frame_counts() -> None:
    one = torch.tensor([[RIGHT, LEFT]])
    assert place_share(one, torch.tensor([[RIGHT, NONE]]), (-1, 0)) == 1
    assert place_share(one, torch.tensor([[NONE, NONE]]), (-1, 0)) == 0


def test_what_is_diagonal_is_beside_nothing() -> None:
    assert place_share(frames([0.0, 0.0, 0.1, 0.1]), frames([0.5, 0.5, 0.6, 0.6]), (-1, 0)) == 0


def test_unknown_relations_have_no_direction() -> None:
    assert direction_of("inside of") is None
    assert direction_of("") is None


def test_overlaps_by_hand() -> None:
    assert float(overlap(torch.tensor(LEFT), torch.tensor(LEFT))) == pytest.approx(1)
    assert float(overlap(torch.tensor(LEFT), torch.tensor(RIGHT))) == 0
    half = overlap(torch.tensor([0.0, 0.0, 0.2, 0.2]), torch.tensor([0.1, 0.0, 0.3, 0.2]))
    assert float(half) == pytest.approx(1 / 3)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_scores_stay_within_bounds(numbers: list[float]) -> None:
    boxes = torch.tensor(numbers, dtype=torch.float64).reshape(2, 2, 2).sort(1).values.reshape(2, 1, 1, 4).float()
    for direction in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        assert 0 <= place_share(boxes[0], boxes[1], direction) <= 1
    assert sum(place_share(boxes[0], boxes[1], d) > 0 for d in ((-1, 0), (1, 0), (0, -1), (0, 1))) <= 1
