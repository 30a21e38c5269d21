import torch

from reward_forcing.modules.optimizers import MuonAdamW
from tests import tiny


def step(optimizer: torch.optim.Optimizer, network: torch.nn.Module, seed: int) -> None:
    for index, parameter in enumerate(network.parameters()):
        parameter.grad = tiny.normal(*parameter.shape, seed=seed * 1000 + index)
    optimizer.step()


def test_matrices_of_blocks_get_muon_and_the_rest_adamw() -> None:
    network = tiny.network()
    optimizer = MuonAdamW(network.named_parameters(), lr=1e-3, muon_factor=4.0)
    adamw, muon = optimizer.parts
    blocks = {id(p) for name, p in network.named_parameters() if name.startswith("blocks.") and p.dim() == 2}
    assert {id(p) for group in muon.param_groups for p in group["params"]} == blocks
    rest = {id(p) for p in network.parameters()} - blocks
    assert {id(p) for group in adamw.param_groups for p in group["params"]} == rest
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 4e-3]


def test_a_learning_rate_set_on_the_whole_reaches_both_parts_also_after_loading() -> None:
    network = tiny.network()
    optimizer = MuonAdamW(network.named_parameters(), lr=1e-3)
    optimizer.load_state_dict(optimizer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [parameter.detach().clone() for parameter in network.parameters()]
    step(optimizer, network, 0)
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_state_restores_exactly() -> None:
    straight, stopped = tiny.network(), tiny.network()
    first = MuonAdamW(straight.named_parameters(), lr=1e-2)
    second = MuonAdamW(stopped.named_parameters(), lr=1e-2)
    step(first, straight, 0)
    step(second, stopped, 0)
    restored = MuonAdamW(stopped.named_parameters(), lr=1e-2)
    restored.load_state_dict(second.state_dict())
    step(first, straight, 1)
    step(restored, stopped, 1)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), stopped.parameters(), strict=True))
