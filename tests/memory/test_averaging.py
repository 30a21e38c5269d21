import pytest
import torch
from torch.testing import assert_close

from reward_forcing.memory.averaging import averaged, moved, require_average, require_share
from tests.tiny import random_kv


@pytest.mark.parametrize("weight", [0.25, torch.tensor(0.25), torch.full((1, 4), 0.25, dtype=torch.float64)])
def test_it_is_the_weighted_mean(weight: float | torch.Tensor) -> None:
    one, other = random_kv(2, 3, 1), random_kv(2, 3, 2)
    mean = averaged(one, other, weight)
    assert_close(mean.keys, 0.75 * one.keys + 0.25 * other.keys)
    assert_close(mean.values, 0.75 * one.values + 0.25 * other.values)


@pytest.mark.parametrize("as_weight", [float, torch.tensor])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ends_are_exact(as_weight: type, dtype: torch.dtype) -> None:
    one, other = random_kv(2, 3, 1, dtype), random_kv(2, 3, 2, dtype)
    assert torch.equal(averaged(one, other, as_weight(0.0)).keys, one.keys)
    assert torch.equal(averaged(one, other, as_weight(1.0)).values, other.values)


def test_a_weight_of_its_own_for_each_place() -> None:
    weights = torch.tensor([0.0, 0.5, 1.0])
    assert moved(torch.zeros(3), torch.full((3,), 8.0), weights).tolist() == [0, 4, 8]


def test_numbers_are_checked() -> None:
    require_average(1, 0.0)
    with pytest.raises(ValueError, match=r"sink\.frames is 0; an EMA sink keeps at least 1 \(or choose sink=none\)"):
        require_average(0, 0.5)
    with pytest.raises(ValueError, match=r"sink\.decay is 1\.2; it must be within \[0, 1\]"):
        require_average(3, 1.2)
    with pytest.raises(ValueError, match=r"sink\.part is -1; it must be within \[0, 1\]"):
        require_share("part", -1)
