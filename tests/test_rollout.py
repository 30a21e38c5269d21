import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from reward_forcing.flow import level_of
from reward_forcing.memory.past import Past, ReadOnly, Remembered
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

LEVELS = (1.0, 0.9, 0.6)
EMA = EMASink(frames=2, decay=0.6)
SINKS = [NoSink(), StaticSink(frames=2), EMA, EMASink(frames=3, decay=0.9)]


def rollout(
    sink: SinkStrategy = EMA, window: int | None = 6, levels: tuple[float, ...] = LEVELS, **chosen: Any
) -> Rollout:
    return Rollout(levels=levels, memory=MemoryPolicy(sink=sink, window_frames=window, chunk_frames=2), **chosen)


def noise_of(*videos: int) -> VideoNoise:
    return VideoNoise(tuple(("video", video) for video in videos), (2, 2, 4, 4))


class Watched(nn.Module):
    """A student that notes, for every pass, the noise level, how much is remembered, and whether gradients are on."""

    def __init__(self, student: WanTransformer) -> None:
        super().__init__()
        self.student = student
        self.passes: list[tuple[float, int, bool]] = []
        self.words: list[float] = []

    def forward(self, noisy: Tensor, sigma: Tensor, prompt: Tensor, past: Past) -> Tensor:
        self.passes.append((round(sigma[0, 0].item(), 4), past.frames, torch.is_grad_enabled()))
        self.words.append(prompt[0, 0, 0].item())
        velocity: Tensor = self.student(noisy, sigma, prompt, past)
        return velocity


def streamed(student: Any, chunks: int = 6, **chosen: Any) -> Tensor:
    how = chosen.pop("how", rollout())
    noise = chosen.pop("noise", noise_of(0))
    prompt = chosen.pop("prompt", always(tiny.prompts()))
    return generate(how.stream(student, noise, prompt, chunks=chosen.pop("indices", range(chunks)), **chosen))


def test_the_passes_of_a_chunk() -> None:
    """Three denoising passes a chunk, and one context pass when the next is asked for; the last needs none."""
    student = Watched(tiny.network())
    streamed(student, 4)
    denoising = [(1.0, remembered) for remembered in (0, 2, 4, 4)]
    levels = [level for level, _, _ in student.passes]
    assert levels == [1.0, 0.9, 0.6, 0.0, 1.0, 0.9, 0.6, 0.0, 1.0, 0.9, 0.6, 0.0, 1.0, 0.9, 0.6]
    assert [(level, remembered) for level, remembered, _ in student.passes if level == 1.0] == denoising


@torch.no_grad()
def test_a_chunk_step_by_step() -> None:
    """The algorithm in a loop: predict, go back to clean, add fresh noise, at last remember."""
    student, noise, prompt, how = tiny.network(), noise_of(0), tiny.prompts(), rollout()
    memory, chunks = Remembered(how.memory), []
    for chunk in range(5):
        noisy = noise(chunk, 0)
        for step, level in enumerate(LEVELS):
            velocity = student(noisy, torch.full((1, 2), level), prompt, ReadOnly(memory))
            clean = noisy - level * velocity
            if step + 1 < len(LEVELS):
                following = LEVELS[step + 1]
                noisy = (1 - following) * clean + following * noise(chunk, step + 1)
        chunks.append(clean)
        student(clean, torch.zeros(1, 2), prompt, memory)
    assert_close(streamed(student, 5), torch.cat(chunks, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sink", SINKS)
@torch.no_grad()
def test_a_shorter_video_is_the_beginning_of_a_longer_one(sink: SinkStrategy) -> None:
    student, how = tiny.network(), rollout(sink)
    assert torch.equal(streamed(student, 3, how=how), streamed(student, 6, how=how)[:, :6])


@torch.no_grad()
def test_a_video_does_not_depend_on_its_batch() -> None:
    student, prompt = tiny.network(), tiny.prompts(3)
    together = streamed(student, noise=noise_of(4, 5, 6), prompt=always(prompt))
    alone = streamed(student, noise=noise_of(5), prompt=always(prompt[1:2]))
    assert_close(alone, together[1:2], atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_the_sink_makes_a_difference_once_frames_leave() -> None:
    student = tiny.network()
    none, static, ema = (streamed(student, how=rollout(sink)) for sink in (NoSink(), StaticSink(frames=2), EMA))
    assert torch.equal(static[:, :6], ema[:, :6])
    assert not torch.allclose(static[:, 8:], ema[:, 8:])
    assert not torch.allclose(static[:, 8:], none[:, 8:])


@torch.no_grad()
def test_endless_streams_hold_a_constant_memory() -> None:
    student = Watched(tiny.network())
    stream = rollout().stream(student, noise_of(0), always(tiny.prompts()), chunks=itertools.count())
    for _ in range(20):
        assert next(stream).isfinite().all()
    assert max(remembered for _, remembered, _ in student.passes) == 4


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
@torch.no_grad()
def test_continuing_a_clip_of_any_length(frames: int) -> None:
    """The clip is yielded and remembered in chunks, an odd rest first."""
    student, start = Watched(tiny.network()), tiny.latents(1, frames, 7)
    begun = streamed(student, 2, start=start)
    assert torch.equal(begun[:, :frames], start)
    video = begun[:, frames:]
    assert video.shape[1] == 4
    context = [remembered for level, remembered, _ in student.passes if level == 0.0]
    expected = [0, *range(2 - frames % 2, frames, 2)]
    assert context[: len(expected)] == expected
    assert not torch.allclose(video, streamed(student, 2))
    assert not torch.allclose(video, streamed(student, 2, start=start.flip(1) + 1)[:, frames:])


@torch.no_grad()
def test_a_clip_in_chunks_is_asked_for_as_it_is_remembered() -> None:
    """The same video as from the whole clip; with nothing to generate there are no passes at all."""
    start, asked = tiny.latents(1, 5, 7), list[int]()

    def parts() -> Iterator[Tensor]:
        for number, part in enumerate((start[:, :1], start[:, 1:3], start[:, 3:])):
            asked.append(number)
            yield part

    student = Watched(tiny.network())
    stream = rollout().stream(student, noise_of(0), always(tiny.prompts()), chunks=range(2), start=parts())
    seen = []
    for count in range(3):
        seen.append(next(stream))
        assert (asked[-1], len(student.passes)) == (count, count), "one context pass for each part before"
    assert torch.equal(torch.cat([*seen, *stream], 1), streamed(tiny.network(), 2, start=start))
    assert torch.equal(streamed(Watched(tiny.network()), 0, start=start), start)


@torch.no_grad()
def test_continuing_the_start_of_a_stream_is_the_stream() -> None:
    student = tiny.network()
    whole = streamed(student, 6)
    assert torch.equal(streamed(student, start=whole[:, :6], indices=range(3, 6)), whole)


@torch.no_grad()
def test_a_prompt_switch_changes_what_follows_only() -> None:
    student, old, new = tiny.network(), tiny.prompts(seed=1), tiny.prompts(seed=2)
    before, after = (
        streamed(student, prompt=always(old)),
        streamed(student, prompt=lambda chunk: new if chunk >= 3 else old),
    )
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


def switched(student: Any, how: Rollout, on_switch: str, *, at: int = 2, chunks: int = 4) -> Tensor:
    old, new = tiny.prompts(seed=1), tiny.prompts(seed=2)
    prompt = {True: new, False: old}
    noise = noise_of(0)
    return generate(
        how.stream(student, noise, lambda chunk: prompt[chunk >= at], chunks=range(chunks), on_switch=on_switch)
    )


@torch.no_grad()
@pytest.mark.parametrize(("sink", "window"), [(NoSink(), None), (StaticSink(frames=2), 8), (EMA, 8)])
def test_remembering_again_is_as_if_the_clip_came_from_outside(sink: SinkStrategy, window: int | None) -> None:
    """As long as nothing has left the window."""
    student, how, new = tiny.network(), rollout(sink, window), tiny.prompts(seed=2)
    video = switched(student, how, "recache")
    continued = generate(how.stream(student, noise_of(0), always(new), chunks=range(2, 4), start=video[:, :4]))
    assert_close(video, continued)
    assert not torch.allclose(video[:, 4:], switched(student, how, "cross_only")[:, 4:])


@torch.no_grad()
def test_a_reset_forgets_everything() -> None:
    student, how, new = tiny.network(), rollout(), tiny.prompts(seed=2)
    fresh = generate(how.stream(student, noise_of(0), always(new), chunks=range(2, 4)))
    assert torch.equal(switched(student, how, "reset")[:, 4:], fresh)


@torch.no_grad()
def test_an_averaged_sink_stays_when_recent_frames_are_remembered_again() -> None:
    student = Watched(tiny.network())
    how = rollout(EMA, 6, levels=(1.0,))
    switched(student, how, "recache", at=5, chunks=6)
    again = student.passes[-2:]
    assert [(level, past) for level, past, _ in again] == [(0.0, 2), (1.0, 4)], "one chunk again, then the next"
    assert len(student.passes) == 6 + 5 + 1


def test_unknown_policies_are_refused() -> None:
    with pytest.raises(ValueError, match="on_switch is 'forget'; allowed: cross_only, recache, reset"):
        next(rollout().stream(tiny.network(), noise_of(0), always(tiny.prompts()), chunks=[0], on_switch="forget"))


@torch.no_grad()
def test_a_chunk_is_remembered_with_the_words_it_was_made_with() -> None:
    """A clip that came from outside has no words of its own; it takes the first chunk's."""
    student, start = Watched(tiny.network()), tiny.latents(1, 2, 7)
    streamed(
        student, 3, start=start, how=rollout(levels=(1.0,)), prompt=lambda chunk: torch.full((1, 3, 5), float(chunk))
    )
    levels = [level for level, _, _ in student.passes]
    assert list(zip(levels, student.words, strict=True)) == [
        (0.0, 0.0),
        (1.0, 0.0),
        (0.0, 0.0),
        (1.0, 1.0),
        (0.0, 1.0),
        (1.0, 2.0),
    ]


@pytest.mark.parametrize("exit_at", [0, 1, 2])
def test_gradients_are_made_in_the_exit_pass_only(exit_at: int) -> None:
    student = Watched(tiny.network())
    streamed(student, 4, exit_at=exit_at)
    passes = len(student.passes)
    assert [level for level, _, grad in student.passes if grad] == [LEVELS[exit_at]] * 4
    assert passes == 4 * (exit_at + 1) + 3


def test_the_exit_result_is_what_the_levels_up_to_it_give() -> None:
    student = tiny.network()
    short = streamed(student, 3, how=rollout(levels=LEVELS[:2]))
    assert torch.equal(streamed(student, 3, exit_at=1), short)


def chunks_reached(mode: str, sink: SinkStrategy, loss_chunk: int = 4) -> set[int]:
    """From whose noise the loss on one chunk can be felt."""
    drawn = {chunk: noise_of(0)(chunk, 0).requires_grad_() for chunk in range(loss_chunk + 1)}
    how = rollout(sink, levels=(1.0,), context_gradient=mode)
    chunks = list(
        how.stream(tiny.network(), lambda chunk, _: drawn[chunk], always(tiny.prompts()), chunks=range(loss_chunk + 1))
    )
    chunks[loss_chunk].square().sum().backward()
    return {chunk for chunk, noise in drawn.items() if noise.grad is not None and noise.grad.any()}


@pytest.mark.parametrize("sink", SINKS)
def test_context_gradient(sink: SinkStrategy) -> None:
    assert chunks_reached("detached", sink) == {4}
    assert chunks_reached("through", sink) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("mode", ["detached", "through"])
def test_gradient_checkpointing_changes_nothing_even_while_evicting(mode: str) -> None:
    results = []
    for checkpointing in (False, 0.5, True):
        student = tiny.network(checkpointing=checkpointing)
        video = streamed(student, 5, how=rollout(context_gradient=mode), exit_at=1)
        results.append((video, torch.autograd.grad(video.square().mean(), list(student.parameters()))))
    (plain, gradients), *others = results
    for recomputed, again in others:
        assert torch.equal(plain, recomputed)
        assert all(torch.equal(*pair) for pair in zip(gradients, again, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: rollout(levels=()), "levels"),
        (lambda: rollout(levels=(0.9, 0.5)), "must start at 1"),
        (lambda: rollout(levels=(1.0, 0.5, 0.5)), "fall strictly"),
        (lambda: rollout(levels=(1.0, 0.0)), "above 0"),
    ],
)
def test_levels_fall_from_one(change: Callable[[], Rollout], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


@pytest.mark.parametrize("exit_at", [-1, 3])
def test_the_exit_is_one_of_the_steps(exit_at: int) -> None:
    with pytest.raises(ValueError, match=rf"rollout\.exit_at is {exit_at}; there are steps 0 to 2"):
        streamed(tiny.network(), exit_at=exit_at)


def test_a_level_for_every_frame() -> None:
    assert level_of(tiny.latents(2, 3).bfloat16(), 0.25).tolist() == [[0.25] * 3] * 2
