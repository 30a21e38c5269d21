import pytest
import torch
from torch import nn
from torch.testing import assert_close

from reward_forcing.engine.weights import Affine, affine, blocks_of, fused, joined, why_not
from reward_forcing.modules.lora import LoRA, adapt
from tests import tiny


def test_a_joined_layer_gives_what_its_layers_give() -> None:
    layers, states = [nn.Linear(6, 4), nn.Linear(6, 4)], tiny.normal(2, 3, 6)
    assert_close(joined(layers, torch.float32).of(states), torch.cat([layer(states) for layer in layers], -1))


def test_an_affine_layer_shares_its_tensors() -> None:
    layer, states = nn.Linear(6, 4), tiny.normal(2, 6)
    assert affine(layer, torch.float32).weight is layer.weight
    assert torch.equal(affine(layer, torch.float32).of(states), layer(states))
    assert affine(layer, torch.bfloat16).bias.dtype == torch.bfloat16


def test_scales_are_in_the_precision_of_their_use() -> None:
    block = blocks_of(tiny.network().bfloat16())[0]
    weights = fused(block, torch.bfloat16, torch.float32)
    assert weights.norm_qk.dtype == weights.norm_words_q.dtype == weights.norm_words.bias.dtype == torch.float32
    assert isinstance(weights.qkv, Affine)
    assert weights.qkv.weight.dtype == torch.bfloat16
    assert weights.qkv.weight.shape == (3 * 24, 24)
    assert torch.equal(weights.norm_qk, torch.stack([block.self_attn.norm_q.weight, block.self_attn.norm_k.weight]))


def test_a_plain_network_can_be_fast() -> None:
    assert why_not(tiny.network()) == ""
    assert why_not(tiny.network(places=4)) == ""


def test_others_cannot_and_say_why() -> None:
    assert why_not(nn.Linear(2, 2)) == "it is a Linear, no WanTransformer"
    wrapped = tiny.network()
    wrapped.blocks[0] = nn.Sequential(wrapped.blocks[0], nn.Dropout())
    assert why_not(wrapped) == "it holds Dropout"


def test_adapters_are_not_overlooked() -> None:
    """Their share of a layer would be lost if only the layer's weight were taken."""
    network = tiny.network()
    adapt(network, LoRA(rank=2, alpha=2.0))
    assert why_not(network).startswith("it holds ")


@pytest.mark.parametrize("layers", [1, 3])
def test_all_blocks_are_found(layers: int) -> None:
    assert len(blocks_of(tiny.network(layers=layers))) == layers
