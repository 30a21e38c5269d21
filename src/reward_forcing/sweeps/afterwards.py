"""What is done in a job's own process once it is finished, by name: another process must be able to find it."""

import importlib
from collections.abc import Callable
from typing import TypeAlias

from reward_forcing.sweeps.jobs import Job, Outcome

After: TypeAlias = Callable[[Job, Outcome], None]
"""Is called with a finished job, again whenever the sweep is run again: does what is not done yet."""


def name_of(after: After | str | None) -> str:
    """`module:function`; empty for none.

    Raises:
        ValueError: it cannot be found by its name.
    """
    name = after if isinstance(after, str) else f"{after.__module__}:{after.__qualname__}" if after else ""
    if name:
        function_named(name)
    return name


def function_named(name: str) -> After:
    """The function that `module:function` names.

    Raises:
        ValueError: there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found: After = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"after is {name!r}; allowed is module:function, of a function in a module: {error}"
        ) from error
    return found
