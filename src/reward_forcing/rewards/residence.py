"""Judges that are only on the accelerator while they judge."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def residence(module: nn.Module, device: torch.device | str, *, offload: bool) -> Iterator[nn.Module]:
    """The module on the device, for the length of a `with` block.

    Args:
        module: moved in place.
        device: where it is needed.
        offload: whether it goes to the CPU afterwards, also when the block fails; otherwise it stays.
    """
    try:
        yield module.to(device)
    finally:
        if offload:
            module.to("cpu")
