"""What becomes of a student's memory when the prompt changes: a function for each policy."""

from collections.abc import Callable
from typing import Final, TypeAlias

from reward_forcing.memory.policy import Memory
from reward_forcing.shapes import Latents

Remember: TypeAlias = Callable[[Memory | None, Latents], Memory | None]
"""`remember(memory, clean)`: the memory after clean frames more, written under the new prompt."""

Switch: TypeAlias = Callable[[Memory, Latents, Remember], Memory | None]
"""`switch(memory, recent, remember)`: the memory that the new prompt begins with; None: nothing is remembered.

`recent` are the last clean frames, as many as the window has or as there are.
"""


def cross_only(memory: Memory, recent: Latents, remember: Remember) -> Memory | None:  # noqa: ARG001
    """The memory stays, only cross-attention changes (the paper's interactive mode)."""
    return memory


def recache(memory: Memory, recent: Latents, remember: Remember) -> Memory | None:
    """What is remembered is remembered again under the new prompt (LongLive).

    A sink that has absorbed frames which are gone cannot be made again, and stays.
    """
    if recent.shape[1] >= memory.seen:
        return remember(None, recent)
    kept = memory.recent.frames
    before = Memory(memory.sink, memory.recent.between(0, 0), memory.seen - kept)
    return remember(before, recent[:, recent.shape[1] - kept :])


def reset(memory: Memory, recent: Latents, remember: Remember) -> Memory | None:  # noqa: ARG001
    """Nothing is remembered."""
    return None


SWITCHES: Final[dict[str, Switch]] = {"cross_only": cross_only, "recache": recache, "reset": reset}


def switch_named(name: str) -> Switch:
    """A policy by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SWITCHES:
        raise ValueError(f"on_switch is {name!r}; allowed: {', '.join(SWITCHES)}")
    return SWITCHES[name]
