import pytest
import torch

from reward_forcing.callbacks.throughput import Throughput, peak_memory_gib


def test_memory_of_this_process_is_plausible() -> None:
    assert 0.05 < peak_memory_gib(torch.device("cpu")) < 100
    before = peak_memory_gib(torch.device("cpu"))
    held = torch.ones(30_000_000)
    assert peak_memory_gib(torch.device("cpu")) >= before
    assert held.sum() == 30_000_000


@pytest.mark.parametrize("every", [0, -5])
def test_windows_are_positive(every: int) -> None:
    with pytest.raises(ValueError, match=f"callbacks.throughput.every is {every}; it must be at least 1"):
        Throughput(every=every)
