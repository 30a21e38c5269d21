"""What an error means to the person at the command line: a message and an exit status. Nothing slow is imported."""

import errno
from typing import Final

BROKEN, REFUSED = 1, 2
"""Exit statuses: it may work another time on another machine; it cannot work as it was asked for."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
KEPT: Final = "what was finished is kept"
MEMORY_WORDS: Final = ("out of memory", "not enough memory", "can't allocate memory")
"""What torch says when memory is short, on any device; on a CPU it is a plain RuntimeError."""

MEMORY_ADVICE: Final = (
    "allowed: less at a time. Training: module.*recipe.micro_batches=2 or more, a smaller data.batch_size, "
    "trainer=bf16; `train --plan` shows what a run takes. Streaming: --batch 1, --dtype bfloat16, --window. "
    "Judging: evaluation doctor shows what metrics take"
)

WORKER_ADVICE: Final = (
    "A loader process has died, most often because memory was short. "
    "Allowed: data.workers=0 (load in the training process), or fewer; then resume=auto"
)
LONGEST: Final = 3000
"""Characters of a message; a prompt of a megabyte is not repeated."""


def explained(error: Exception) -> tuple[int, str] | None:
    """The exit status and the message of an error that a person can do something about; None: a bug.

    ValueErrors carry their own words. Of errors of files the path and the system's reason are told.
    """
    if isinstance(error, ValueError):
        return REFUSED, _in_short(str(error))
    if isinstance(error, OSError) and error.errno in FULL:
        place = f"{error.filename}: " if error.filename else ""
        return BROKEN, f"{place}{error.strerror}; make room, then give the same command again: {KEPT}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return REFUSED, f"{error.filename}: {error.strerror}; allowed: a place that this user may read and write"
    if "DataLoader worker" in str(error):
        return BROKEN, f"{_in_short(str(error))} {WORKER_ADVICE}"
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in MEMORY_WORDS):
        reason = (str(error).splitlines() or ["MemoryError"])[0]
        return BROKEN, f"memory is short ({reason}); {MEMORY_ADVICE}"
    return None


def _in_short(text: str) -> str:
    """A message without the traceback that a loader process puts before it, and without the middle of a huge value."""
    if text.startswith("Caught ") and " in DataLoader worker" in text:
        text = text.rstrip().splitlines()[-1].partition(": ")[2]
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
