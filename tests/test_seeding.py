import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.seeding import VideoNoise, exit_step, generator

SHAPE = (2, 1, 2, 2)
keys = st.tuples(st.integers(-3, 3) | st.text(max_size=3), st.integers(-3, 3) | st.text(max_size=3))


def draw(*key: int | str) -> torch.Tensor:
    return torch.randn(8, generator=generator(*key))


@given(first=keys, second=keys)
def test_numbers_depend_on_the_key_and_on_nothing_else(
    first: tuple[int | str, ...], second: tuple[int | str, ...]
) -> None:
    assert torch.equal(draw(*first), draw(*first))
    assert torch.equal(draw(*first), draw(*second)) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"), [((1, 23), (12, 3)), (("1",), (1,)), (("a", "b"), ("a, b",)), ((0,), (0, 0))]
)
def test_similar_keys_are_different_keys(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    assert not torch.equal(draw(*one), draw(*other))


def test_streams_are_independent() -> None:
    streams = torch.stack([torch.randn(2000, generator=generator("stream", index)) for index in range(6)])
    correlation = streams.corrcoef() - torch.eye(6)
    assert correlation.abs().max() < 0.1


def test_known_numbers_stay() -> None:
    """Published seeds must mean the same in every version."""
    assert generator(42, "anything").initial_seed() == 6823559393057292354


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    VideoNoise(((0,),), SHAPE)(0, 0)
    exit_step(0, 0, 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_exit_step_comes_up_equally_often() -> None:
    counts = torch.bincount(torch.tensor([exit_step(3, step, 4) for step in range(2000)]), minlength=4)
    assert counts.sum() == 2000
    assert (counts - 500).abs().max() < 80


def test_a_longer_video_starts_with_the_same_noise() -> None:
    noise = VideoNoise(((5, "cat"),), SHAPE)
    short = [noise(chunk, 0) for chunk in range(2)]
    long = [noise(chunk, 0) for chunk in range(5)]
    assert all(torch.equal(*pair) for pair in zip(short, long, strict=False))
    assert len({tuple(chunk.flatten().tolist()) for chunk in long}) == 5


def test_a_video_does_not_depend_on_its_batch() -> None:
    alone = VideoNoise(((1,),), SHAPE)
    together = VideoNoise(((2,), (1,), (3,)), SHAPE)
    for chunk, step in [(0, 0), (4, 0), (4, 3)]:
        assert torch.equal(together(chunk, step)[1:2], alone(chunk, step))


def test_every_step_has_noise_of_its_own() -> None:
    noise = VideoNoise(((1,),), SHAPE)
    assert not torch.equal(noise(0, 1), noise(0, 2))
    assert not torch.equal(noise(1, 0), noise(0, 1))


def test_precision_is_that_of_the_rounded_fp32_noise() -> None:
    half = VideoNoise(((1,),), SHAPE, dtype=torch.bfloat16)(0, 0)
    assert torch.equal(half, VideoNoise(((1,),), SHAPE)(0, 0).bfloat16())
