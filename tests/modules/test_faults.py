from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning import Callback, LightningModule

from reward_forcing.modules.faults import SkipListener, SkippedStep, announce, faults

WRONG = (float("nan"), float("inf"), float("-inf"))
FINE = {"loss": 1.0, "gradient_norm": 3e38, "reward": -1e38, "reward_motion": 0.0}


def scalars(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in {**FINE, **values}.items()}


def test_finite_numbers_are_no_fault() -> None:
    assert faults(scalars()) == []


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", FINE)
def test_each_watched_scalar_is_found(name: str, value: float) -> None:
    assert faults(scalars(**{name: value})) == [name]


@given(wrong=st.sets(st.sampled_from(sorted(FINE))))
def test_exactly_the_wrong_ones_are_named(wrong: set[str]) -> None:
    assert set(faults(scalars(**dict.fromkeys(wrong, float("nan"))))) == wrong


def test_diagnostics_may_be_undefined() -> None:
    assert faults(scalars(effective_sample_size=float("nan"))) == []


def test_every_precision_is_looked_at_as_it_is() -> None:
    loss = torch.tensor(6e4, dtype=torch.float16)
    assert faults({"loss": loss, "reward": torch.tensor(1e300, dtype=torch.float64)}) == []
    assert faults({"loss": loss * 2, "reward": torch.tensor(1.0)}) == ["loss"]


class Listens(Callback):
    heard: SkippedStep | None = None

    def on_skipped_step(self, skipped: SkippedStep) -> None:
        self.heard = skipped


def test_only_those_who_want_to_know_are_told() -> None:
    listens, deaf = Listens(), Callback()
    assert isinstance(listens, SkipListener)
    assert not isinstance(deaf, SkipListener)
    skipped = SkippedStep(3, ("loss",), ((3, 0, 0),), (), 1.0, {})
    module: Any = LightningModule()
    module._trainer = module._fabric = None
    module.trainer = cast("Any", SimpleNamespace(callbacks=[deaf, listens]))
    announce(module, skipped)
    assert listens.heard is skipped
