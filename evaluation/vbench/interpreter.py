"""Another Python with other libraries, as a subprocess: what the official package needs cannot live in ours."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOG_LINES: Final = 8  # of a log that are shown
IMPORTING: Final = 600.0  # seconds that importing torch and vbench from a cold disk may take
OURS: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables that would mix our libraries into the other interpreter."""

PROBE: Final = """
import json, os, sys
import vbench
try:
    from importlib.metadata import version
    found = version("vbench")
except Exception:
    found = "unknown"
info = os.path.join(os.path.dirname(os.path.abspath(vbench.__file__)), "VBench_full_info.json")
print(json.dumps({"version": found, "python": sys.version.split()[0], "full_info": info}))
"""

HINTS: Final = {
    "No module named 'detectron2'": "this dimension needs detectron2, which is not on the registry; see the recipe",
    "No module named 'pkg_resources'": "install `setuptools<81` there",
    "_ARRAY_API": "install `numpy<2` there",
    "'wget'": "install wget, or put the weights into ~/.cache/vbench (or $VBENCH_CACHE_DIR) yourself",
    "Torch not compiled with CUDA": "it has no CUDA there; try --device cpu",
    "No CUDA GPUs are available": "there is no GPU; try --device cpu",
    "Found no NVIDIA driver": "there is no GPU; try --device cpu",
    "out of memory": "use a GPU with more memory, or shorter videos",
    "No module named": "a library is missing there; see the recipe",
}
"""What to do, by what the log says."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that has the official package."""

    python: str
    version: str
    """Of vbench."""
    runs: str
    """Version of Python."""
    full_info: Path
    """The prompts that its copy of the package holds."""


def find_interpreter(python: str, seconds: float = IMPORTING) -> Interpreter:
    """Look whether an interpreter is there and imports `vbench`.

    Raises:
        ValueError: it is not, or does not; the message says why.
    """
    found = shutil.which(python)
    if found is None:
        raise ValueError(f"--python: {python} is no program; name the interpreter of an environment that has vbench")
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user names
            [found, "-c", PROBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=clean_environment(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"--python: {python} does not run ({error})") from error
    if done.returncode:
        raise ValueError(
            f"--python: {python} cannot import vbench{hint(ending(done.stderr))}:\n{ending(done.stderr)}\n"
            "docs/how-to/vbench.md says which versions go together"
        )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    # not resolved: an environment's python is a link, and knows its libraries by where the link is
    return Interpreter(str(Path(found).absolute()), told["version"], told["python"], Path(told["full_info"]))


def run_logged(command: Sequence[str], log: Path, seconds: float | None = None) -> str:
    """Run a command, all it says going to a file; why it failed, or nothing.

    It runs in the folder of its log. When time is up, or this program is stopped, all processes that it started end.
    """
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(  # noqa: S603 - the program that the user names
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=clean_environment(os.environ),
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"it took longer than {seconds:g} s (--timeout); {_told(log)}"
        except BaseException:
            _end(process)
            raise
    return f"exit status {status}; {_told(log)}" if status else ""


def clean_environment(known: Mapping[str, str]) -> dict[str, str]:
    """The environment without what leads to our own libraries."""
    return {name: value for name, value in known.items() if name not in OURS} | {"PYTHONUNBUFFERED": "1"}


def hint(log: str) -> str:
    """What to do about the first known complaint in a log, in brackets; nothing where none is known."""
    known = next((advice for complaint, advice in HINTS.items() if complaint in log), "")
    return f" ({known})" if known else ""


def ending(log: str) -> str:
    """The last lines of a log that say something, indented."""
    return "\n".join(f"    {line}" for line in [line for line in log.splitlines() if line.strip()][-LOG_LINES:])


def _told(log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace")
    return f"{log}{hint(ending(said))} ends with:\n{ending(said)}"


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
