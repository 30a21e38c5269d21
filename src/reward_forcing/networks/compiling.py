"""Having torch compile parts of a network, one by one, so that equal parts are compiled once."""

import warnings
from collections.abc import Iterable
from typing import Final

import torch
from torch import nn

SHAPES: Final = 64
"""Variants of a part that are kept: a student's block meets as many pasts as a window has chunks, with gradients and
without, and teacher and fake score have batches of their own."""


def compile_in_place(parts: Iterable[nn.Module], backend: str) -> None:
    """Have every part compiled when it first runs. Their parameters, names and types stay; copies are not compiled.

    Args:
        parts: of a network.
        backend: of `torch.compile`.

    Raises:
        ValueError: torch knows no such backend.
    """
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        usual = ", ".join(torch.compiler.list_backends())
        raise ValueError(f"network.compiled is {backend!r}; allowed: null, {usual}, or one of torch's for debugging")
    torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex operators")
    for part in parts:
        part.compile(backend=backend)
