"""What needs no second process; tests/resume/test_two_ranks.py trains in two."""

import pytest
import torch

from reward_forcing.modules import sharding
from tests import tiny, training


def test_the_mesh_holds_all_processes_of_all_machines() -> None:
    made, copied = sharding.strategy(devices=8, nodes=4), sharding.strategy(devices=8, nodes=4, replicas=4)
    assert (made._data_parallel_size, made._tensor_parallel_size) == (1, 32)
    assert (copied._data_parallel_size, copied._tensor_parallel_size) == (4, 8)


@pytest.mark.parametrize("name", ["devices", "nodes", "replicas", "timeout_minutes"])
def test_counts_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=rf"trainer\.strategy\.{name} is 0; it must be at least 1"):
        sharding.strategy(**{"devices": 1, name: 0})


def test_every_copy_has_as_many_processes() -> None:
    with pytest.raises(ValueError, match=r"trainer\.strategy\.replicas is 3; it must divide the processes \(8\)"):
        sharding.strategy(devices=4, nodes=2, replicas=3)


def test_without_a_mesh_nothing_is_split() -> None:
    module = training.distillation()
    module.configure_model()
    assert not sharding.is_sharded(module)
    assert sharding.whole(module.student) is module.student


def test_whole_tensors_stay_as_they_are() -> None:
    network = tiny.network()
    tensors = sharding.gathered(network)
    assert all(torch.equal(tensors[name], value) for name, value in network.state_dict().items())
    rebuilt = sharding.rebuilt(network, tensors)
    noisy, sigma, prompt = tiny.latents(), tiny.sigmas(1, 3), tiny.prompts()
    assert torch.equal(rebuilt(noisy, sigma, prompt), network(noisy, sigma, prompt))


def test_one_process_averages_with_itself() -> None:
    scalars = {"loss": torch.tensor(2.0)}
    assert sharding.average_over_ranks(scalars) is scalars


def test_one_process_has_all_rows() -> None:
    rows = tiny.normal(2, 3)
    assert sharding.rows_of_all_ranks(rows) is rows
