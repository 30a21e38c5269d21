"""What becomes of a student's memory when the prompt changes: a function for each policy."""

from collections.abc import Callable
from typing import Final, TypeAlias

from reward_forcing.memory.past import Remembered
from reward_forcing.shapes import Latents

Remember: TypeAlias = Callable[[Latents], None]
"""`remember(clean)`: write clean frames into memory, under the new prompt."""

Switch: TypeAlias = Callable[[Remembered, Latents, Remember], None]
"""`switch(memory, recent, remember)`: leave the memory as the new prompt is to begin with it.

`recent` are the last clean frames, as many as the window has or as there are.
"""


def cross_only(memory: Remembered, recent: Latents, remember: Remember) -> None:
    """The memory stays, only cross-attention changes (the paper's interactive mode)."""


def recache(memory: Remembered, recent: Latents, remember: Remember) -> None:
    """What is remembered is remembered again under the new prompt (LongLive).

    A sink that has absorbed frames which are gone cannot be made again, and stays.
    """
    seen = memory.seen
    if recent.shape[1] >= seen:
        memory.forget()
    else:
        memory.forget_recent()
    lost = seen - memory.seen
    remember(recent[:, recent.shape[1] - lost :])


def reset(memory: Remembered, recent: Latents, remember: Remember) -> None:  # noqa: ARG001
    """Nothing is remembered."""
    memory.forget()


SWITCHES: Final[dict[str, Switch]] = {"cross_only": cross_only, "recache": recache, "reset": reset}


def switch_named(name: str) -> Switch:
    """A policy by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SWITCHES:
        raise ValueError(f"on_switch is {name!r}; allowed: {', '.join(SWITCHES)}")
    return SWITCHES[name]
