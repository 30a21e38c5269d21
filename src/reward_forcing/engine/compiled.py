"""The arithmetic of blocks compiled by torch, where something can be compiled; memory and attention stay outside."""

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, ParamSpec, TypeAlias, TypeVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from reward_forcing.engine.arithmetic import PLAIN, Arithmetic, after, before, between

Given = ParamSpec("Given")
Found = TypeVar("Found")
Mode: TypeAlias = str | bool
"""False, or one of `MODES`."""

MODES: Final[Mapping[str, str]] = {
    "default": "default",
    "reduce-overhead": "default",
    "max-autotune": "max-autotune-no-cudagraphs",
}
"""What torch calls them: it compiles parts of blocks, and graphs are to be of whole passes (`engine.recorded`)."""
WITH_GRAPHS: Final = ("reduce-overhead", "max-autotune")


def arithmetic_for(mode: Mode, device: str) -> Arithmetic:
    """The arithmetic of blocks: compiled in that way, or as it is where nothing can be compiled, which is announced."""
    if not isinstance(mode, str):
        return PLAIN
    if reason := uncompilable(device):
        warnings.warn(f"engine.compile: {reason}: passes run uncompiled", stacklevel=2)
        return PLAIN
    return compiled(MODES[mode])


@cache
def uncompilable(device: str) -> str:
    """Why nothing can be compiled for a kind of device; nothing if it can. Tried once a process."""
    try:
        torch.compile(lambda states: states + 1)(torch.zeros(2, device=device))
    except (ImportError, OSError, RuntimeError) as error:
        return str(error).strip().partition("\n")[0]
    return ""


@cache
def compiled(mode: str) -> Arithmetic:
    """The arithmetic of blocks, to be compiled when it is first called, and anew for other shapes."""
    pairs = _compiled(turned_in_pairs, mode)

    def turned(states: Tensor, turns: Complex[Tensor, "token *ones pair"]) -> Tensor:
        return pairs(states, torch.view_as_real(turns))

    return Arithmetic(_compiled(before, mode), turned, _compiled(between, mode), _compiled(after, mode))


def _compiled(function: Callable[Given, Found], mode: str) -> Callable[Given, Found]:
    made: Callable[Given, Found] = torch.compile(function, mode=mode, dynamic=False)
    return made


def turned_in_pairs(
    states: Float[Tensor, "batch token *part head head_dim"], turns: Float[Tensor, "token *ones pair 2"]
) -> Float[Tensor, "batch token *part head head_dim"]:
    """As `rotated.turned` without complex numbers, for which torch generates no code."""
    one, other = states.float().unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = turns.unbind(-1)
    return torch.stack([one * cosine - other * sine, one * sine + other * cosine], -1).flatten(-2)
