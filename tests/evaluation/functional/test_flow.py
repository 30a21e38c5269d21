"""Strength of known flows, and VBench's decisions as loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluation.functional.flow import MOVING, STILL, dynamic_degree, is_static, moving_pairs, needed, step, strength

STRENGTHS = st.lists(st.floats(0, 3), min_size=2, max_size=60)


def dynamic_by_vbench(strengths: list[float]) -> bool:
    """Counts pairs one by one, and is content as soon as there are enough."""
    count = 0
    for value in strengths:
        count += value > 1
        if count >= round(4 * (len(strengths) + 1) / 16):
            return True
    return False


def static_by_vbench(strengths: list[float], ends: list[float]) -> bool:
    allowed = round(2 * (len(strengths) + 1) / 16)
    return sum(value > 1 for value in strengths) <= allowed and not any(end > allowed * 2 for end in ends)


@given(STRENGTHS)
def test_dynamic_degree_is_vbenchs(strengths: list[float]) -> None:
    assert dynamic_degree(torch.tensor([strengths])).tolist() == [float(dynamic_by_vbench(strengths))]


@given(STRENGTHS.filter(lambda values: len(values) >= 4), st.lists(st.floats(0, 20), min_size=2, max_size=2))
def test_the_static_filter_is_vbenchs(strengths: list[float], ends: list[float]) -> None:
    found = is_static(torch.tensor([strengths]), torch.tensor([ends]))
    assert found.tolist() == [float(static_by_vbench(strengths, ends))]


def test_too_few_frames_are_neither() -> None:
    assert dynamic_degree(torch.tensor([[9.0]])).isnan().all()
    assert dynamic_degree(torch.empty(2, 0)).isnan().all()
    assert dynamic_degree(torch.tensor([[0.0, 0.0], [2.0, 0.0]])).tolist() == [0, 1]
    assert is_static(torch.zeros(1, 3), torch.zeros(1, 2)).isnan().all()
    assert is_static(torch.zeros(1, 4), torch.zeros(1, 2)).tolist() == [1]


def test_flow_that_is_not_known_decides_nothing() -> None:
    unknown = torch.full((1, 9), torch.nan)
    assert dynamic_degree(unknown).isnan().all()
    assert moving_pairs(unknown).isnan().all()
    assert is_static(unknown, unknown[:, :2]).isnan().all()
    assert moving_pairs(torch.tensor([[0.5, 1.0, 1.5]])).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(("rule", "share"), [(MOVING, 0.05), (STILL, 0.02)])
def test_the_longest_vectors_count(rule: tuple[float, float], share: float) -> None:
    """A still picture with a patch of just the share that moves by 8 pixels."""
    flow = torch.zeros(2, 2, 20, 100)
    count = int(share * 2000)
    flow[1].flatten(1)[0, :count] = 8.0
    still, moved = strength(flow, 20, rule).tolist()
    assert still == 0
    assert moved == pytest.approx(8 / (rule[1] * 20 / 256))


@given(height=st.integers(130, 800), pixels=st.floats(0.1, 50))
def test_a_strength_of_one_is_the_threshold_at_any_size(height: int, pixels: float) -> None:
    flow = torch.full((1, 2, 4, 8), pixels / 2**0.5)
    moves = bool(strength(flow, height, (0.5, 6.0)) > 1)
    threshold = 6 * height / 256
    assert moves == (pixels > threshold) or pixels == pytest.approx(threshold, rel=1e-4)


def test_halves_go_to_the_even_number() -> None:
    assert [needed(n, 4) for n in (2, 3, 6, 10, 41)] == [0, 1, 2, 2, 10]
    assert [step(fps) for fps in (1, 8, 11, 12, 16, 20, 24, 30)] == [1, 1, 1, 2, 2, 2, 3, 4]
