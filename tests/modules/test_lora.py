import copy

import pytest
import torch

from reward_forcing.modules.lora import LoRA, adapt, merged
from reward_forcing.networks.wan import WanTransformer
from tests import tiny


def adapted(rank: int = 2) -> WanTransformer:
    network = tiny.network()
    adapt(network, LoRA(rank=rank, alpha=4.0))
    return network


def forward(network: WanTransformer) -> torch.Tensor:
    velocity: torch.Tensor = network(tiny.latents(), tiny.sigmas(1, 3), tiny.prompts())
    return velocity


def test_a_fresh_adapter_changes_nothing() -> None:
    """Up to rounding: what has an adapter is computed on its own."""
    torch.testing.assert_close(forward(adapted()), forward(tiny.network()))


def test_only_adapters_learn() -> None:
    network = adapted()
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning
    assert all(".lora_" in name and name.startswith("blocks.") for name in learning)
    assert len(learning) == 2 * (4 + 4 + 2) * tiny.SIZES["layers"], "two matrices for each linear layer of the blocks"


def test_merging_gives_the_same_function_in_a_plain_network() -> None:
    network = adapted()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_B" in name:
                parameter.normal_(std=0.1)
    before = copy.deepcopy(network)
    plain = merged(network)
    torch.testing.assert_close(forward(plain), forward(network))
    assert not torch.allclose(forward(plain), forward(tiny.network()))
    assert set(plain.state_dict()) == set(tiny.network().state_dict())
    torch.testing.assert_close(forward(network), forward(before), rtol=0, atol=0)


def test_without_adapters_a_network_is_itself() -> None:
    network = tiny.network()
    assert merged(network) is network


def test_bad_adapters_are_refused() -> None:
    with pytest.raises(ValueError, match=r"student_lora: rank is 0"):
        LoRA(rank=0, alpha=1.0)
    with pytest.raises(ValueError, match=r"student_lora\.targets: no layer of a block ends in 'to_q'"):
        adapt(tiny.network(), LoRA(rank=1, alpha=1.0, targets=("to_q",)))
