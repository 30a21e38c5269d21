import pytest
import torch
from torch.testing import assert_close

from evaluation.networks.attention import attend
from tests import tiny


@pytest.mark.parametrize("causal", [False, True])
def test_it_is_the_formula_head_by_head(causal: bool) -> None:
    query, key, value = (tiny.normal(2, 5, 6, seed=seed) for seed in range(3))
    expected = torch.zeros(2, 5, 6)
    for first in (0, 3):
        q, k, v = (tokens[..., first : first + 3] for tokens in (query, key, value))
        for place in range(5):
            end = place + 1 if causal else 5
            weights = (k[:, :end] @ q[:, place, :, None] / 3**0.5).softmax(1)
            expected[:, place, first : first + 3] = (weights * v[:, :end]).sum(1)
    assert_close(attend(query, key, value, 2, causal=causal), expected)


def test_what_is_not_there_has_no_weight() -> None:
    query, key, value = tiny.normal(2, 5, 6), tiny.normal(2, 4, 6, seed=1), tiny.normal(2, 4, 6, seed=2)
    there = torch.tensor([[True, False, True, True], [True, True, False, False]])
    seen = attend(query, key, value, 2, there=there)
    for row in (0, 1):
        keys, values = (tokens[row : row + 1, there[row]] for tokens in (key, value))
        assert_close(seen[row], attend(query[row : row + 1], keys, values, 2)[0])
