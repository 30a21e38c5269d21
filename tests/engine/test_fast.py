import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine.attention import KERNELS, SDPA
from reward_forcing.engine.fast import Fast, FastPasses, shape_of
from reward_forcing.engine.network import FastNetwork
from reward_forcing.engine.reference import Engine, PlainPasses, Reference
from reward_forcing.engine.weights import blocks_of
from reward_forcing.memory.past import Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

POLICY = MemoryPolicy(sink=EMASink(frames=2, decay=0.6), window_frames=6, chunk_frames=2)
PROMPT = tiny.prompts()


def frozen(**sizes: Any) -> WanTransformer:
    return tiny.network(**sizes).requires_grad_(requires_grad=False)


def streamed(student: WanTransformer, engine: Engine, chunks: int = 6, **more: Any) -> Tensor:
    how = Rollout(levels=(1.0, 0.9, 0.6), memory=POLICY, engine=engine, **more.pop("how", {}))
    noise = VideoNoise((("video", 0),), (2, 2, 4, 4))
    return generate(how.stream(student, noise, always(PROMPT), chunks=range(chunks), **more))


class Counted(FastNetwork):
    """Notes the levels of every pass."""

    passes: list[tuple[float, ...]]

    def run(self, chunks: Any, levels: Any, *others: Any, **more: Any) -> Any:
        self.passes.append(levels)
        return super().run(chunks, levels, *others, **more)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, ...]]:
    Counted.passes = []
    monkeypatch.setattr("reward_forcing.engine.fast.FastNetwork", Counted)
    return Counted.passes


def test_a_context_pass_runs_with_the_next_first_pass(passes: list[tuple[float, ...]]) -> None:
    """As many passes as steps, and none for the last chunk's memory."""
    streamed(frozen(), Fast(), chunks=3)
    assert passes == [(1,), (0.9,), (0.6,), (0, 1), (0.9,), (0.6,), (0, 1), (0.9,), (0.6,)]


def test_they_may_run_one_after_the_other(passes: list[tuple[float, ...]]) -> None:
    streamed(frozen(), Fast(fuse_context=False), chunks=2)
    assert passes == [(1,), (0.9,), (0.6,), (0,), (1,), (0.9,), (0.6,)]


def test_without_context_passes_the_last_denoising_is_remembered(passes: list[tuple[float, ...]]) -> None:
    """An approximation; start frames, which no pass has denoised, are still seen clean."""
    engine = Fast(context_pass=False)
    assert Fast().exact
    assert not engine.exact
    video = streamed(frozen(), engine, chunks=3, start=tiny.latents(1, 2))
    assert passes == [(0, 1), (0.9,), (0.6,), *[(1,), (0.9,), (0.6,)] * 2]
    wanted = streamed(frozen(), Reference(), chunks=3, start=tiny.latents(1, 2))
    assert_close(video[:, :4], wanted[:, :4])
    assert 1e-3 < (video[:, 4:] - wanted[:, 4:]).abs().max() < wanted.abs().max()


def test_what_is_remembered_without_a_context_pass_is_what_the_last_pass_saw() -> None:
    """Bit for bit what a reference remembers that is given the noisy chunk at its level."""
    student, passes = frozen(), Fast(context_pass=False).begin(frozen(), POLICY)
    noisy, sigma = tiny.latents(1, 2), torch.full((1, 2), 0.6)
    passes.velocity(tiny.latents(1, 2, 1), 1.0, PROMPT)
    passes.velocity(noisy, 0.6, PROMPT)
    passes.remember(tiny.latents(1, 2, 2), PROMPT, learning=False)
    memory = Remembered(POLICY)
    student(noisy, sigma, PROMPT, memory)
    for layer in range(student.layers):
        assert_close(passes.remembered().layers[layer].sink.keys, memory.layers[layer].sink.keys)


def test_chunks_of_other_lengths_are_remembered_alone(passes: list[tuple[float, ...]]) -> None:
    """A start of five frames begins with one; the first chunk is behind one of two."""
    streamed(frozen(), Fast(), chunks=1, start=tiny.latents(1, 5))
    assert passes == [(0,), (0,), (0, 1), (0.9,), (0.6,)]


def test_where_gradients_are_asked_for_the_student_itself_runs(passes: list[tuple[float, ...]]) -> None:
    """Bit for bit: the last pass of a chunk carries them; what comes before it may be fast."""
    student = tiny.network()
    clean = streamed(student, Fast(), chunks=3)
    clean.square().mean().backward()
    gradients = {name: weight.grad.clone() for name, weight in student.named_parameters() if weight.grad is not None}
    assert {(1.0,), (0.9,)} <= set(passes) <= {(1.0,), (0.9,), (0, 1)}
    student.zero_grad()
    wanted = streamed(student, Reference(), chunks=3)
    wanted.square().mean().backward()
    assert_close(clean, wanted)
    assert len(gradients) > 20
    for name, weight in student.named_parameters():
        if weight.grad is not None:
            assert_close(gradients[name], weight.grad, msg=name)


def test_without_gradients_a_learning_student_is_fast_too(passes: list[tuple[float, ...]]) -> None:
    student = tiny.network()
    with torch.no_grad():
        assert_close(streamed(student, Fast()), streamed(student, Reference()))
    assert (0, 1) in passes


def test_what_it_makes_can_be_learned_from() -> None:
    """The fake score trains on clips made without gradients: they are no inference tensors."""
    with torch.no_grad():
        clean = streamed(tiny.network(), Fast(), chunks=2)
    weight = torch.ones(1, requires_grad=True)
    (clean * weight).sum().backward()
    assert weight.grad is not None


def test_under_autocast_products_have_its_precision(passes: list[tuple[float, ...]]) -> None:
    """As near to fp32 as the student is under autocast, which rounds at more places."""
    exact = streamed(frozen(), Reference())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        fast, plain = streamed(frozen(), Fast()), streamed(frozen(), Reference())
    assert len(passes) == 18
    assert fast.dtype == torch.float32
    assert 0 < (fast - exact).norm() < 1.5 * (plain - exact).norm()


def test_a_stream_that_changes_its_precision_goes_on_plainly() -> None:
    passes = Fast().begin(frozen(), POLICY)
    passes.remember(tiny.latents(1, 2), PROMPT, learning=False)
    passes.velocity(tiny.latents(1, 2, 1), 1.0, PROMPT)
    plain = PlainPasses(frozen(), passes.remembered())
    with torch.autocast("cpu", torch.bfloat16):
        velocity = passes.velocity(tiny.latents(1, 2, 1), 0.9, PROMPT)
        assert torch.equal(velocity, plain.velocity(tiny.latents(1, 2, 1), 0.9, PROMPT))


def test_it_reads_new_weights_for_every_video() -> None:
    student = frozen()
    streamed(student, Fast())
    blocks_of(student)[0].self_attn.q.weight.mul_(2)
    assert_close(streamed(student, Fast()), streamed(student, Reference()))


def test_other_students_stream_by_the_reference_and_it_says_so() -> None:
    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = frozen()

        def forward(self, *inputs: Any) -> Any:
            return self.inner(*inputs)

    with pytest.warns(UserWarning, match="streams by the reference, because it is a Wrapped, no WanTransformer"):
        passes = Fast().begin(Wrapped(), POLICY)
    assert isinstance(passes, PlainPasses)
    assert Fast().kernel(Wrapped(), POLICY, (2, 2, 4, 4)) == SDPA


def test_a_plain_network_is_not_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(Fast().begin(frozen(), POLICY), FastPasses)


def test_whoever_looks_at_the_memory_finds_everything_in_it() -> None:
    passes = Fast().begin(frozen(), POLICY)
    passes.remember(tiny.latents(1, 2), PROMPT, learning=False)
    memory = passes.remembered()
    assert memory.frames == memory.seen == 2
    passes.remember(tiny.latents(1, 2, 1), PROMPT, learning=False)
    assert memory.seen == 4
    passes.velocity(tiny.latents(1, 2, 2), 1.0, PROMPT)
    passes.remember(tiny.latents(1, 2, 3), PROMPT, learning=False)
    assert memory.seen == 4
    assert passes.remembered().seen == 6


def test_attention_is_chosen_for_the_full_window() -> None:
    shape = shape_of(frozen(), POLICY, (2, 2, 4, 4))
    assert (shape.device, shape.heads, shape.queries, shape.keys, shape.head_dim) == ("cpu", 2, 8, 24, 12)
    endless = MemoryPolicy(sink=EMASink(frames=2, decay=0.6), window_frames=None, chunk_frames=2)
    assert shape_of(frozen(), endless, (2, 2, 4, 4)).keys == 16
    assert Fast().kernel(frozen(), POLICY, (2, 2, 4, 4)) in KERNELS["cpu"]
    assert Fast(attention="products").kernel(frozen(), POLICY, (2, 2, 4, 4)) == "products"


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"engine.attention is 'magic'; allowed: probe, sdpa, products, cudnn, flash"):
        Fast(attention="magic")


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        (Fast(), {}),
        (Fast(fuse_context=False, attention="products"), {}),
        (Fast(context_pass=False), {"context_pass": False}),
        (Fast(linears="int8", reuse=0.7), {"linears": "int8", "reuse": 0.7}),
        (Fast(attention="sage_attention"), {"attention": "sage_attention"}),
    ],
    ids=str,
)
def test_approximations_are_told(engine: Fast, told: dict[str, Any]) -> None:
    assert engine.approximations == told
    assert engine.exact == (not told)


@pytest.mark.parametrize("name", ["int8", "float8"])
def test_layers_in_eight_bits_are_near_the_layers(name: str) -> None:
    wanted = streamed(frozen(), Reference())
    off = (streamed(frozen(), Fast(linears=name)) - wanted).norm() / wanted.norm()
    assert 1e-4 < off < 0.2


def test_low_passes_leave_the_blocks_out(passes: list[tuple[float, ...]]) -> None:
    """Never the first of a chunk, whatever its level."""
    engine = Fast(reuse=0.7)
    video = streamed(frozen(), engine, chunks=3)
    assert passes == [(1,), (0.9,), *[(0, 1), (0.9,)] * 2]
    wanted = streamed(frozen(), Reference(), chunks=3)
    assert 1e-3 < (video - wanted).abs().max() < wanted.abs().max()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert 0 < (streamed(frozen(), engine, chunks=3) - video).norm() < 0.1 * video.norm()
    passes.clear()
    streamed(frozen(), Fast(reuse=1.0), chunks=2)
    assert passes == [(1,), (0, 1)]


def test_what_is_reused_is_what_the_blocks_added_to_the_tokens() -> None:
    """The same noisy chunk at the same level is the same velocity; at another level only the head knows."""
    passes, noisy = Fast(reuse=0.7).begin(frozen(), POLICY), tiny.latents(1, 2)
    first = passes.velocity(noisy, 0.6, PROMPT)
    assert_close(passes.velocity(noisy, 0.6, PROMPT), first)
    assert not torch.allclose(passes.velocity(noisy, 0.5, PROMPT), first)
    assert not torch.allclose(passes.velocity(tiny.latents(1, 2, 1), 0.6, PROMPT), first)


def test_nothing_is_reused_of_a_chunk_before() -> None:
    engine, clean, noisy = Fast(reuse=0.7), tiny.latents(1, 2), tiny.latents(1, 2, 1)
    passes, plain = engine.begin(frozen(), POLICY), Reference().begin(frozen(), POLICY)
    passes.velocity(clean, 0.6, PROMPT)
    for either in (passes, plain):
        either.remember(clean, PROMPT, learning=False)
    assert_close(passes.velocity(noisy, 0.6, PROMPT), plain.velocity(noisy, 0.6, PROMPT))


def test_without_context_passes_the_last_pass_with_blocks_is_remembered(passes: list[tuple[float, ...]]) -> None:
    streamed(frozen(), Fast(reuse=0.7, context_pass=False), chunks=3)
    assert passes == [(1,), (0.9,)] * 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"linears": "int4"}, r"engine.linears is 'int4'; allowed: exact, int8, float8"),
        ({"reuse": 1.5}, r"engine.reuse is 1.5; it must be within \[0, 1\]"),
        ({"reuse": float("nan")}, r"engine.reuse is nan; it must be within \[0, 1\]"),
    ],
)
def test_approximations_that_are_none_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Fast(**wrong)
