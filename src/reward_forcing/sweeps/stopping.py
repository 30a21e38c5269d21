"""Ctrl-C and SIGTERM, counted while jobs run elsewhere."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Requests:
    """How often a stop has been asked for: once, to end gracefully; twice, to end at once."""

    def __init__(self) -> None:
        self.count = 0

    def ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signal module's names)
        """Count a signal."""
        self.count += 1


@contextmanager
def requests() -> Iterator[Requests]:
    """Count signals instead of being interrupted by them; only a main thread can."""
    counted = Requests()
    if threading.current_thread() is not threading.main_thread():
        yield counted
        return
    before = {number: signal.signal(number, counted.ask) for number in SIGNALS}
    try:
        yield counted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
