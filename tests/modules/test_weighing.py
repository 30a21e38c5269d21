"""Samples of all ranks are weighed together: two processes do what one does."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.losses.strategies.advantage import Advantage
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.running_mean import RunningMean
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from reward_forcing.modules.weighing import Weighed, over_ranks, require_company, spread
from tests.modules import weighing_run
from tests.processes import torchrun
from tests.tiny import judged, normal


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("weighing")
    torchrun("-m", "tests.modules.weighing_run", str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_every_rank_sees_the_whole_batch_in_the_same_order(found: list[dict[str, Any]]) -> None:
    whole = weighing_run.BATCH
    for rank, one in enumerate(found):
        assert torch.equal(one["rewards"], whole.rewards)
        assert torch.equal(one["sigma"], whole.sigma)
        assert tuple(one["prompts"]) == whole.prompts
        assert one["own"] == [2 * rank, 2 * rank + 2]


@pytest.mark.parametrize("name", list(weighing_run.LOSSES))
def test_weights_and_gradients_are_those_of_one_process(found: list[dict[str, Any]], name: str) -> None:
    """The mean of the ranks' gradients, as data-parallel training takes it."""
    weights, gradient = weighing_run.weights_and_gradient(weighing_run.LOSSES[name], weighing_run.BATCH)
    for one in found:
        assert_close(one[name][0], weights)
    assert_close(torch.cat([one[name][1] for one in found]) / 2, gradient)


def test_a_single_process_is_the_whole_batch() -> None:
    samples = judged(normal(3))
    assert over_ranks(samples) is samples


@pytest.mark.parametrize("loss", [SelfNormalisedReDMD(beta=1.0), Advantage(beta=1.0)])
def test_comparing_takes_two(loss: Any) -> None:
    with pytest.raises(ValueError, match=f"{type(loss).__name__} compares samples of a micro-batch, and there is 1"):
        require_company(loss, judged(normal(1)))
    require_company(loss, judged(normal(2)))


@pytest.mark.parametrize("loss", [ReDMD(beta=1.0), RunningMean(beta=1.0, decay=0.9)])
def test_others_do_with_one(loss: Any) -> None:
    require_company(loss, judged(normal(1)))


def test_spread_is_over_all_micro_batches() -> None:
    parts = [(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])), (torch.tensor([2.0, 0.0]), torch.tensor([2.0, 0.0]))]
    scalars = spread([Weighed(*part) for part in parts])
    assert {name: float(value) for name, value in scalars.items()} == pytest.approx(
        {"reward_spread": 1.0, "effective_sample_size": 16 / 6, "largest_share": 0.5}
    )
