"""Stagnation is the share of what is known to stand still."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.dynamics import stagnation


def test_by_hand() -> None:
    dynamics = torch.tensor([[0.0, 1, 2, 3], [0, torch.nan, 0, 1], [torch.nan] * 4])
    found = stagnation(dynamics, 1.0)
    assert found[:2].tolist() == pytest.approx([0.25, 2 / 3])
    assert found[2].isnan()


@given(st.lists(st.floats(0, 9), min_size=1, max_size=9), st.floats(0, 9))
def test_it_falls_with_motion_and_ends_are_reached(values: list[float], least: float) -> None:
    dynamics = torch.tensor([values])
    assert stagnation(dynamics + 1, least).item() <= stagnation(dynamics, least).item()
    assert stagnation(dynamics, 10.0).item() == 1
    assert stagnation(dynamics, 0.0).item() == 0
