"""The work of a chunk against torch's count of the real thing; the ceiling with a scripted clock."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evaluation.speed.work import Work, ceiling_of, decoding_flops, matmul_rate, published_rate, work_of
from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.plan.costs import Sizes, kv_bytes
from reward_forcing.rollout import Rollout, always
from reward_forcing.seeding import VideoNoise
from reward_forcing.shapes import Geometry
from tests import tiny

GEOMETRY = Geometry(channels=2, height=4, width=4, frames=6, chunk_frames=2)
LEVELS = (1.0, 0.75, 0.5)


def rollout(sink: SinkStrategy, window: int | None = 6) -> Rollout:
    return Rollout(levels=LEVELS, memory=MemoryPolicy(sink=sink, window_frames=window, chunk_frames=2))


def work(how: Rollout, chunks: int = 6) -> Work:
    network = tiny.network()
    return work_of(Sizes(**network.sizes), GEOMETRY, how, chunks=chunks, words=tiny.WORDS, width=4, decode=(7.0, 5.0))


@pytest.mark.parametrize("how", [rollout(EMASink(frames=2, decay=0.9)), rollout(NoSink()), rollout(NoSink(), None)])
def test_operations_of_every_chunk_are_those_that_torch_counts(how: Rollout) -> None:
    noise = VideoNoise(keys=((0,),), chunk_shape=GEOMETRY.chunk_shape, device=torch.device("cpu"))
    chunks = how.stream(tiny.network(), noise, always(tiny.prompts()), chunks=range(6))
    counted = []
    with torch.inference_mode():
        for _ in range(6):
            with FlopCounterMode(display=False) as counter:
                next(chunks)
            counted.append(counter.get_total_flops())
    assert work(how).denoise == tuple(map(float, counted))


def test_work_stops_growing_when_the_window_is_full() -> None:
    denoise = work(rollout(EMASink(frames=2, decay=0.9))).denoise
    assert denoise[0] < denoise[1] < denoise[2] < denoise[3]
    assert denoise[3] == denoise[4] == denoise[5]


def test_sums_within_a_scope() -> None:
    known = Work(denoise=(1.0, 2.0, 4.0), decode=(10.0, 20.0, 20.0), memory=0)
    assert known.of("denoiser", 1) == 6
    assert known.of("codec", 1) == known.of("end_to_end", 1) == 46
    assert known.of("denoiser", 3) == 7, "nothing but a ramp counts whole"


def test_remembered_bytes() -> None:
    network = tiny.network()
    sizes = Sizes(**network.sizes)
    assert work(rollout(EMASink(frames=2, decay=0.9))).memory == kv_bytes(sizes, frames=4, tokens=4, width=4)
    assert work(rollout(NoSink())).memory == kv_bytes(sizes, frames=4, tokens=4, width=4)
    assert work(rollout(EMASink(frames=2, decay=0.9)), 1).memory == 0, "nothing comes before a first chunk"
    assert work(rollout(EMASink(frames=2, decay=0.9)), 2).memory == kv_bytes(sizes, frames=2, tokens=4, width=4)
    endless = rollout(NoSink(), None)
    assert work(endless, 11).memory == kv_bytes(sizes, frames=20, tokens=4, width=4)
    wide = work_of(
        sizes,
        GEOMETRY,
        rollout(EMASink(frames=2, decay=0.9)),
        chunks=6,
        words=3,
        width=2,
        decode=(0.0, 0.0),
    )
    assert wide.memory == kv_bytes(sizes, frames=2, tokens=4, width=4) + kv_bytes(sizes, frames=2, tokens=4, width=2)


def test_decoding_is_counted_for_the_first_chunk_and_for_later_ones() -> None:
    codec = ToyCodec(channels=6, width=8)
    geometry = replace(GEOMETRY, channels=6, height=8, width=8)
    first, later = decoding_flops(codec, geometry, torch.device("cpu"))
    clean = torch.zeros(1, *geometry.chunk_shape)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        codec.decode_next(clean)
    assert first == counter.get_total_flops() > 0
    assert later > 0


def ticking(step: float) -> Callable[[], float]:
    """A clock that moves by `step` whenever it is read."""
    now = [0.0]

    def read() -> float:
        now[0] += step
        return now[0]

    return read


def test_the_rate_of_products_by_hand() -> None:
    assert matmul_rate("cpu", torch.float32, 4, ticking(0.5), seconds=2.0) == pytest.approx(2 * 4**3 / 0.5)


def test_the_ceiling_of_this_machine() -> None:
    ceiling = ceiling_of("cpu", torch.float32, ticking(0.1))
    assert ceiling.measured == pytest.approx(2 * 1024**3 / 0.1)
    assert "1024 x 1024 matrices, float32" in ceiling.how
    assert ceiling.published is None


@pytest.mark.parametrize(
    ("name", "rate"),
    [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA H200", 989e12), ("Voodoo 2", None)],
)
def test_published_peaks_are_those_that_plans_use(name: str, rate: float | None) -> None:
    assert published_rate(name) == rate
