"""Code of the user's, named on the command line: `package.module:function`."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from evaluation.provenance import digest


def load_named(spec: str, place: str) -> Any:
    """What a name stands for; modules in the working folder are found, too. Importing runs the module.

    Raises:
        ValueError: the name is not of this form, or there is no such thing that can be called.
    """
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise ValueError(f"{place} is {spec!r}; write package.module:function")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ValueError(f"{place} {spec}: the module {module!r} cannot be imported ({error})") from error
    finally:
        sys.path.remove(here)
    if callable(found):
        return found
    raise ValueError(f"{place} {spec}: {module} has no function or class {name!r}")


def named_fingerprint(spec: str, found: object) -> str:
    """A name with the SHA-256 of the file it is from, so that other code is told from it."""
    path = inspect.getsourcefile(found) if inspect.isroutine(found) or inspect.isclass(found) else None
    return f"{spec} sha256:{digest(Path(path))}" if path else spec
