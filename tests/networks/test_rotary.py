import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.networks.attention import attend
from reward_forcing.networks.rotary import TABLES, axis_dims, frequencies, rotate, rotations, turns_of
from tests.tiny import normal


@pytest.mark.parametrize(
    ("head_dim", "expected"), [(128, (44, 42, 42)), (12, (4, 4, 4)), (24, (8, 8, 8)), (64, (24, 20, 20))]
)
def test_split_of_a_head(head_dim: int, expected: tuple[int, int, int]) -> None:
    assert axis_dims(head_dim) == expected
    assert sum(expected) == head_dim


@pytest.mark.parametrize(
    ("dim", "first", "last"),
    [(44, [1, 0.65793322, 0.43287613], 1.5199111e-4), (42, [1, 0.64494668, 0.41595622], 1.5505158e-4)],
)
def test_frequencies_of_the_released_model(dim: int, first: list[float], last: float) -> None:
    values = frequencies(dim)
    assert values.shape == (dim // 2,)
    assert values[:3].tolist() == pytest.approx(first, rel=1e-7)
    assert values[-1].item() == pytest.approx(last, rel=1e-6)


def turned_slowly(states: Tensor, positions: list[float], rows: int, columns: int) -> Tensor:
    """One token and one pair of dimensions at a time, by a rotation matrix."""
    result = states.clone()
    sizes = axis_dims(states.shape[-1])
    for frame, position in enumerate(positions):
        for token in range(rows * columns):
            places = (position, token // columns, token % columns)
            angles = torch.cat([place * frequencies(size) for place, size in zip(places, sizes, strict=True)])
            for pair, angle in enumerate(angles):
                matrix = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
                both = slice(2 * pair, 2 * pair + 2)
                result[:, frame, token, :, both] = states[:, frame, token, :, both] @ matrix.T.float()
    return result


def test_pairs_turn_by_place_times_frequency() -> None:
    states, positions = normal(1, 2, 6, 2, 12), [3.0, 7.0]
    turned = rotate(states, rotations(torch.tensor(positions), 2, 3, 12))
    assert_close(turned, turned_slowly(states, positions, 2, 3), atol=1e-6, rtol=1e-5)


def test_the_origin_stays() -> None:
    states = normal(1, 1, 1, 2, 12)
    assert torch.equal(rotate(states, rotations(torch.zeros(1), 1, 1, 12)), states)


def test_lengths_and_precision_are_kept() -> None:
    states = normal(2, 3, 4, 2, 12)
    turns = rotations(torch.tensor([0.0, 5.0, 900.0]), 2, 2, 12)
    assert_close(rotate(states, turns).norm(dim=-1), states.norm(dim=-1))
    assert rotate(states.bfloat16(), turns).dtype == torch.bfloat16


@given(offset=st.integers(1, 500), frames=st.integers(1, 4))
def test_attention_depends_on_relative_places_only(offset: int, frames: int) -> None:
    queries, keys, values = (normal(1, frames, 4, 2, 12, seed=seed) for seed in range(3))

    def attended(first: int) -> Tensor:
        turns = rotations(torch.arange(first, first + frames).float(), 2, 2, 12)
        turned = rotate(queries, turns).flatten(1, 2), rotate(keys, turns).flatten(1, 2)
        return attend(*turned, values.flatten(1, 2), None)

    assert_close(attended(offset), attended(0), atol=1e-5, rtol=1e-5)


def test_tables_are_made_once_and_a_stream_does_not_gather_them() -> None:
    turns_of.cache_clear()
    first = turns_of((0.0, 2.0), 2, 3, 12, torch.device("cpu"))
    assert torch.equal(first, rotations(torch.tensor([0.0, 2.0]), 2, 3, 12))
    assert turns_of((0.0, 2.0), 2, 3, 12, torch.device("cpu")) is first
    for place in range(2 * TABLES):
        turns_of((float(place),), 2, 3, 12, torch.device("cpu"))
    assert turns_of.cache_info().currsize == TABLES


def test_a_table_made_while_streaming_serves_training() -> None:
    turns_of.cache_clear()
    with torch.inference_mode():
        turns_of((1.0,), 2, 2, 12, torch.device("cpu"))
    keys = normal(1, 1, 4, 2, 12).requires_grad_()
    rotate(keys, turns_of((1.0,), 2, 2, 12, torch.device("cpu"))).square().sum().backward()
    assert keys.grad is not None
    assert_close(keys.grad, 2 * keys.detach())
