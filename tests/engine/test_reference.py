import torch

from reward_forcing.engine.attention import SDPA
from reward_forcing.engine.reference import Engine, Passes, Reference
from reward_forcing.flow import level_of
from reward_forcing.memory.kv import KV
from reward_forcing.memory.past import ReadOnly, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.static import StaticSink
from tests import tiny

POLICY = MemoryPolicy(sink=StaticSink(frames=2), window_frames=6, chunk_frames=2)


def test_it_is_an_engine() -> None:
    assert isinstance(Reference(), Engine)
    assert isinstance(Reference().begin(tiny.network(), POLICY), Passes)
    assert not Reference().approximations


def test_passes_are_calls_of_the_student() -> None:
    """Bit for bit: one reads, the other writes."""
    student, clean, noisy, prompt = tiny.network(), tiny.latents(2, 2), tiny.latents(2, 2, 1), tiny.prompts(2)
    passes, memory = Reference().begin(student, POLICY), Remembered(POLICY)
    passes.remember(clean, prompt, learning=False)
    student(clean, level_of(clean, 0.0), prompt, memory)
    velocity = passes.velocity(noisy, 0.75, prompt)
    assert torch.equal(velocity, student(noisy, level_of(noisy, 0.75), prompt, ReadOnly(memory)))
    known, wanted = passes.remembered().read(1), memory.read(1)
    assert isinstance(known, KV)
    assert isinstance(wanted, KV)
    assert torch.equal(known.keys, wanted.keys)
    assert torch.equal(known.values, wanted.values)


def test_nothing_is_remembered_at_first() -> None:
    one = Reference().begin(tiny.network(), POLICY)
    one.remember(tiny.latents(1, 2), tiny.prompts(), learning=False)
    assert one.remembered().frames == 2
    assert Reference().begin(tiny.network(), POLICY).remembered().frames == 0


def test_torch_chooses_how_attention_is_computed() -> None:
    assert Reference().kernel(tiny.network(), POLICY, (2, 2, 4, 4)) == SDPA
