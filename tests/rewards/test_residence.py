"""Residence: there while needed, away afterwards; `meta` stands for an accelerator."""

import pytest
import torch
from torch import nn

from reward_forcing.rewards.residence import residence


def place(module: nn.Module) -> str:
    return next(module.parameters()).device.type


@pytest.mark.parametrize("offload", [True, False])
def test_the_module_is_lent_and_the_same(offload: bool) -> None:
    module = nn.Linear(2, 2)
    with residence(module, torch.device("cpu"), offload=offload) as lent:
        assert lent is module
    assert place(module) == "cpu"


def test_without_offloading_it_stays() -> None:
    module = nn.Linear(2, 2)
    with residence(module, "meta", offload=False):
        assert place(module) == "meta"
    assert place(module) == "meta"


def test_it_goes_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    module, moves = nn.Linear(2, 2), list[str]()

    def to(device: object) -> nn.Module:
        moves.append(str(device))
        return module

    monkeypatch.setattr(module, "to", to)
    with pytest.raises(RuntimeError, match="out of memory"), residence(module, "cuda", offload=True):
        raise RuntimeError("out of memory")
    assert moves == ["cuda", "cpu"]
