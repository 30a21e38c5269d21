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


def test_each_part_steps_as_the_optimiser_of_torch_would() -> None:
    together, apart = tiny.network(), tiny.network()
    both = MuonAdamW(together.named_parameters(), lr=1e-2, muon_factor=3.0, weight_decay=0.05)
    blocks = [p for name, p in apart.named_parameters() if name.startswith("blocks.") and p.dim() == 2]
    others = [p for name, p in apart.named_parameters() if not (name.startswith("blocks.") and p.dim() == 2)]
    muon = torch.optim.Muon(blocks, 3e-2, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, 1e-2, betas=(0.9, 0.99), weight_decay=0.05)
    for seed in range(3):
        step(both, together, seed)
        step(muon, apart, seed)
        adamw.step()
    assert all(torch.equal(one, other) for one, other in zip(together.parameters(), apart.parameters(), strict=True))


def test_muon_moves_a_matrix_alike_in_all_directions() -> None:
    """Its update is the gradient with singular values brought near one, times a size that suits AdamW's rate."""
    network = tiny.network()
    optimizer = MuonAdamW(network.named_parameters(), lr=1e-3, weight_decay=0.0)
    matrix = network.get_parameter("blocks.0.ffn.0.weight")
    before = matrix.detach().clone()
    step(optimizer, network, 0)
    stretch = torch.linalg.svdvals(before - matrix.detach())
    assert stretch.max() < 2.5 * stretch.min()
    assert torch.linalg.svdvals(matrix.grad).max() > 5 * torch.linalg.svdvals(matrix.grad).min()


def test_names_decide_not_shapes_alone() -> None:
    """A matrix outside the blocks stays with AdamW, whatever prefix the network carries."""
    inside, outside = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2, 2))
    vector = torch.nn.Parameter(torch.zeros(2))
    named = [("model.blocks.3.q.weight", inside), ("head.weight", outside), ("blocks.0.q.bias", vector)]
    adamw, muon = MuonAdamW(named, lr=1.0).parts
    assert [id(p) for group in muon.param_groups for p in group["params"]] == [id(inside)]
    assert [id(p) for group in adamw.param_groups for p in group["params"]] == [id(outside), id(vector)]


def test_a_closure_s_loss_is_returned() -> None:
    network = tiny.network()
    assert MuonAdamW(network.named_parameters(), lr=1.0).step(lambda: 3.5) == 3.5
