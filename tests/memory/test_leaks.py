"""What a stream remembers goes when the stream goes, and while it runs there is never more of it."""

import gc
import itertools
import weakref
from collections.abc import Iterator

import pytest
import torch

from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import Memory, MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.rollout import Rollout
from tests import tiny


def alive(kind: type) -> int:
    gc.collect()
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def bytes_alive() -> int:
    """Of all tensors that something still refers to, each storage once."""
    gc.collect()
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in gc.get_objects() if tensor(t)}
    return sum(storages.values())


def tensor(thing: object) -> bool:
    return type(thing) in (torch.Tensor, torch.nn.Parameter)


@pytest.fixture
def stream() -> Iterator[torch.Tensor]:
    policy = MemoryPolicy(sink=EMASink(frames=1, decay=0.9), window_frames=3, chunk_frames=1)
    network = tiny.network().requires_grad_(requires_grad=False)
    prompt = tiny.prompts()

    def noise(chunk: int, _: int) -> torch.Tensor:
        return tiny.latents(frames=1, seed=chunk)

    with torch.inference_mode():
        return Rollout(levels=(1.0, 0.6), memory=policy).stream(
            network, noise, lambda _: prompt, chunks=itertools.count()
        )


def test_an_endless_stream_holds_no_more_after_a_hundred_chunks(stream: Iterator[torch.Tensor]) -> None:
    with torch.inference_mode():
        for _ in itertools.islice(stream, 8):
            pass
        before, held = (alive(Memory), alive(KV)), bytes_alive()
        for _ in itertools.islice(stream, 100):
            pass
        assert (alive(Memory), alive(KV)) == before
        assert bytes_alive() == held


def test_a_stream_that_is_dropped_leaves_nothing(stream: Iterator[torch.Tensor]) -> None:
    before = alive(Memory), alive(KV)
    with torch.inference_mode():
        chunks = list(itertools.islice(stream, 5))
    watched = [weakref.ref(chunk) for chunk in chunks]
    del chunks
    stream.close()  # type: ignore[attr-defined]
    del stream
    assert (alive(Memory), alive(KV)) == before
    assert not [one for one in watched if one() is not None]
