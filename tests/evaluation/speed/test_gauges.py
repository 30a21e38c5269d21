"""Memory of this process, and the energy counter of a GPU that is made up."""

import mmap
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from evaluation.speed.gauges import CudaMemory, HostMemory, Power, gauge_of, power_of, resident_bytes


def nvml(counter: float | None = 12_345_678) -> Any:
    """The part of NVML that is used; without a counter it refuses, as older GPUs do."""

    class NVMLError(Exception):
        """As NVML's."""

    def energy(handle: str) -> float:
        assert handle == "GPU-1234"
        if counter is None:
            raise NVMLError("Not Supported")
        return counter

    return SimpleNamespace(
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=energy,
        nvmlDeviceGetClockInfo=lambda *_: 1980,
        nvmlDeviceGetTemperature=lambda *_: 41,
        nvmlDeviceGetEnforcedPowerLimit=lambda _: 700_000,
        nvmlDeviceGetComputeRunningProcesses=lambda _: [object()],
    )


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of that name."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1234"))


def test_memory_of_this_process_grows_with_it() -> None:
    before = resident_bytes()
    with mmap.mmap(-1, 2**26) as kept:  # pages of its own; an allocator might have some left
        kept.write(b"1" * 2**26)
        assert resident_bytes() - before > 2**25
    assert before > 10 * 2**20


def test_gauges_suit_devices() -> None:
    gauge = gauge_of("cpu")
    gauge.reset()
    assert gauge.read()["resident"] > 0
    assert gauge_of("cuda") == CudaMemory("cuda")
    assert HostMemory(lambda: 7).read() == {"resident": 7}


def test_energy_is_asked_of_gpus_only() -> None:
    power = power_of("cpu")
    assert "only NVIDIA GPUs" in power.why_not
    assert power.joules() is None
    assert power.state() == {}


def test_without_nvml_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert power_of("cuda").why_not == "pynvml is not installed: pip install nvidia-ml-py"


@pytest.mark.usefixtures("gpu")
def test_joules_come_from_the_counter_in_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    power = power_of("cuda")
    assert power.why_not == ""
    assert power.joules() == pytest.approx(12_345.678)
    assert power.state() == {"clock_mhz": 1980, "temperature_c": 41, "power_limit_w": 700, "processes": 1}


@pytest.mark.usefixtures("gpu")
def test_a_gpu_without_a_counter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(counter=None))
    power = power_of("cuda")
    assert "no counter: Not Supported" in power.why_not
    assert power.joules() is None


def test_no_power_is_a_value_too() -> None:
    assert Power().joules() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_peaks_of_a_gpu_start_anew() -> None:
    gauge = CudaMemory()
    large = torch.empty(2**26, device="cuda")
    del large
    gauge.reset()
    small = torch.empty(2**20, device="cuda")
    read = gauge.read()
    assert small.nbytes <= read["allocated"] < 2**27
    assert read["held"] <= read["allocated"] <= read["reserved"]
