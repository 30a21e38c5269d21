"""What a GPU has to offer."""

from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.plan.hardware import Hardware

VALUES: dict[str, Any] = {"memory_gb": 80, "tflops": 1000, "utilisation": 0.4, "reserved_gb": 1}


def test_the_rate_is_a_share_of_the_peak() -> None:
    hardware = Hardware(**VALUES)
    assert hardware.rate == 4e14
    assert hardware.memory() == 80e9


def test_unknown_memory_is_that_of_the_gpu_that_is_there() -> None:
    found = Hardware(**{**VALUES, "memory_gb": None}).memory()
    assert (found is None) == (not torch.cuda.is_available())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory_gb": 0}, "hardware.memory_gb is 0; it must be positive"),
        ({"tflops": -1}, "hardware.tflops is -1; it must be positive"),
        ({"utilisation": 1.5}, "hardware.utilisation is 1.5 .* at most 1"),
        ({"reserved_gb": -1}, "reserved_gb -1; allowed: at most 1, and at least 0"),
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hardware(**{**VALUES, **wrong})


@pytest.mark.parametrize("name", options("hardware"))
def test_every_option_is_a_machine(name: str) -> None:
    assert isinstance(build(compose([f"hardware={name}"]), "hardware"), Hardware)
