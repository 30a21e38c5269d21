"""Set up before any of the package is imported: shapes and types are checked on every call."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

INT_WILL_DO_FOR_FLOAT = "beartype.BeartypeConf(is_pep484_tower=True)"
install_import_hook("reward_forcing", f"beartype.beartype(conf={INT_WILL_DO_FOR_FLOAT})")
torch.set_num_threads(1)  # the networks are so small that threads only get into each other's way
settings.register_profile("small", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("small")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--goldens", type=Path, help="folder of golden tensors (*.safetensors) to compare with")
