import os
import signal
import threading

from reward_forcing.sweeps.stopping import SIGNALS, requests


def test_signals_are_counted_and_then_given_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with requests() as asked:
        assert asked.count == 0
        for count, number in enumerate(SIGNALS, 1):
            os.kill(os.getpid(), number)
            assert asked.count == count
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_leaves_signals_alone() -> None:
    found = []

    def look() -> None:
        with requests() as asked:
            found.append((asked.count, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(0, signal.getsignal(signal.SIGINT))]
