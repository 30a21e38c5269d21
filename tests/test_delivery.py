"""Levels arrive as the plain path makes them: the same, in order, and with the same errors."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.delivery import decoded, delivered, one_ahead
from reward_forcing.videos import to_uint8
from tests import tiny

CPU = torch.device("cpu")
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def codec() -> TinyCodec:
    torch.manual_seed(0)
    return TinyCodec(channels=4, widths=(8, 6, 4, 4)).requires_grad_(requires_grad=False).eval()


def chunks(
    count: int = 4, *, asked: list[int] | None = None, fails: bool = False, device: str = "cpu"
) -> Iterator[Tensor]:
    for number in range(count):
        if asked is not None:
            asked.append(number)
        yield tiny.normal(2, 2, 4, 2, 3, seed=number).to(device)
    if fails:
        raise RuntimeError("the denoiser broke")


def received(stream: Iterator[Tensor]) -> tuple[list[Tensor], str]:
    """What comes before an error, and the error."""
    got: list[Tensor] = []
    try:
        got.extend(stream)
    except RuntimeError as error:
        return got, str(error)
    return got, ""


def test_levels_are_those_of_the_whole_clip() -> None:
    whole = to_uint8(codec().decode(torch.cat(list(chunks()), 1)))
    parts = list(delivered(chunks(), codec(), CPU))
    assert [part.shape[1] for part in parts] == [5, 8, 8, 8]
    assert torch.equal(torch.cat(parts, 1), whole)
    assert torch.equal(to_uint8(torch.cat(list(decoded(chunks(), codec())), 1)), whole)


def test_on_a_cpu_nothing_is_asked_for_before_it_is_wanted() -> None:
    asked: list[int] = []
    stream = delivered(chunks(asked=asked), codec(), CPU)
    assert asked == []
    next(stream)
    next(stream)
    assert asked == [0, 1]


def test_an_error_comes_after_the_chunks_before_it() -> None:
    got, error = received(delivered(chunks(3, fails=True), codec(), CPU))
    assert len(got) == 3
    assert error == "the denoiser broke"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("count", range(5))
def test_one_ahead_changes_nothing_but_when(count: int, fails: bool) -> None:
    plain, error = received(chunks(count, fails=fails))
    ahead, same_error = received(one_ahead(chunks(count, fails=fails)))
    assert len(plain) == len(ahead) == count
    assert all(torch.equal(*pair) for pair in zip(plain, ahead, strict=True))
    assert error == same_error == ("the denoiser broke" if fails else "")


def test_one_ahead_has_asked_for_the_next_but_does_not_keep_the_first_waiting() -> None:
    asked: list[int] = []
    seen = [list(asked) for _ in one_ahead(chunks(4, asked=asked))]
    assert seen == [[0], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]


def test_one_ahead_can_be_left() -> None:
    closed: list[str] = []

    def endless() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.append("closed")

    stream = one_ahead(endless())
    assert [next(stream), next(stream)] == [0, 0]
    del stream
    assert closed == ["closed"]


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("fails", [False, True])
def test_on_a_gpu_they_are_the_same(fails: bool) -> None:
    gpu = torch.device("cuda")
    on_gpu = codec().to(gpu)
    plain = [to_uint8(video).cpu() for video in decoded(chunks(device="cuda"), on_gpu)]
    got, error = received(delivered(chunks(fails=fails, device="cuda"), on_gpu, gpu))
    assert all(part.is_pinned() for part in got)
    assert all(torch.equal(*pair) for pair in zip(plain, got, strict=True))
    assert error == ("the denoiser broke" if fails else "")


@pytest.mark.gpu
@NEEDS_GPU
def test_on_a_gpu_the_denoiser_does_not_wait_for_the_decoder() -> None:
    """Latents that are still being made when their chunk is asked for come out right."""
    gpu = torch.device("cuda")
    on_gpu, big = codec().to(gpu), torch.randn(4096, 4096, device=gpu)

    def slow() -> Iterator[Tensor]:
        for clean in chunks(device="cuda"):
            busy = big
            for _ in range(20):
                busy = (busy @ big).clamp(-1, 1)
            yield clean + 0 * busy.sum()

    plain = [to_uint8(video).cpu() for video in decoded(slow(), on_gpu)]
    got = [part.clone() for part in delivered(slow(), on_gpu, gpu)]
    assert all(torch.equal(*pair) for pair in zip(plain, got, strict=True))
