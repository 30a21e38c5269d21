"""diffusers' Wan transformer as an oracle, through the map of names."""

import warnings
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.networks.names import from_diffusers, to_diffusers
from reward_forcing.networks.wan import WanTransformer
from tests import tiny


def theirs(network: WanTransformer) -> Any:
    """The same network in diffusers' hands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import WanTransformer3DModel
    sizes = network.sizes
    built = WanTransformer3DModel(
        patch_size=(1, sizes["patch"], sizes["patch"]),
        num_attention_heads=sizes["heads"],
        attention_head_dim=sizes["dim"] // sizes["heads"],
        in_channels=sizes["channels"],
        out_channels=sizes["channels"],
        text_dim=sizes["text_dim"],
        freq_dim=sizes["freq_dim"],
        ffn_dim=sizes["ffn_dim"],
        num_layers=sizes["layers"],
        cross_attn_norm=True,
    )
    renamed = {to_diffusers(name): weight for name, weight in network.state_dict().items()}
    built.load_state_dict(renamed, strict=True)
    return built.eval()


@pytest.mark.parametrize(
    "sizes", [{}, {"dim": 48, "heads": 4, "layers": 3, "channels": 4, "freq_dim": 32}, {"patch": 1}]
)
@torch.no_grad()
def test_the_bidirectional_network(sizes: dict[str, int]) -> None:
    network = tiny.network(**sizes)
    noisy = tiny.normal(2, 5, network.channels, 4, 6)
    sigma, prompt = torch.tensor([0.9375, 0.31]), tiny.prompts(2)
    expected = theirs(network)(noisy.transpose(1, 2), sigma * 1000, prompt, return_dict=False)[0]
    assert_close(network(noisy, sigma, prompt), expected.transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_its_names_come_back() -> None:
    network = tiny.network()
    assert {from_diffusers(name) for name in theirs(network).state_dict()} == set(network.state_dict())
