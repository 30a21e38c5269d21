import platform

import pytest
import torch

from reward_forcing.machine import device_named, forget_peak, peak_memory, versions


def test_versions_are_those_that_are_installed() -> None:
    found = versions(["torch", "no-such-package"])
    assert found == {
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "no-such-package": "not installed",
    }


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, auto in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert (device_named("auto"), device_named("cpu")) == (auto, "cpu")
    assert device_named("cuda:1") == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ValueError, match="device is cuda, but there is no GPU that this torch can use; allowed: cpu, auto"
    ):
        device_named("cuda")


def test_the_peak_of_a_process_stays_when_memory_is_given_back() -> None:
    cpu = torch.device("cpu")
    before = peak_memory(cpu)
    assert 5e7 < before < 1e12, "bytes"
    large = torch.ones(before // 4 + 10**7)
    forget_peak(cpu)
    peak = peak_memory(cpu)
    assert peak > before
    del large
    assert peak_memory(cpu) >= peak


@pytest.mark.gpu
def test_the_peak_of_a_gpu_begins_anew() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    gpu = torch.device("cuda")
    large = torch.ones(10**8, device=gpu)
    assert peak_memory(gpu) >= 4 * 10**8
    del large
    forget_peak(gpu)
    assert peak_memory(gpu) < 4 * 10**8
