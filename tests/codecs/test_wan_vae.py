from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.codecs.wan_layers import Past
from reward_forcing.codecs.wan_vae import WanCodec, stream_bytes
from tests import tiny


@pytest.fixture(scope="module")
def codec() -> WanCodec:
    return small_codec()


def small_codec() -> WanCodec:
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    return WanCodec(AutoencoderKLWan(base_dim=4).requires_grad_(requires_grad=False).eval())


def latents(batch: int = 1, frames: int = 7, seed: int = 0) -> Tensor:
    return tiny.normal(batch, frames, 16, 2, 4, seed=seed)


def raw(codec: WanCodec, clean: Tensor) -> Tensor:
    mean, std = (values[:, None, None, None] for values in (codec.mean, codec.std))
    return clean.transpose(1, 2) * std + mean


def decoded(codec: WanCodec, clean: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    past = None
    for part in clean.split(sizes, 1):
        video, past = codec.decode_next(part, past)
        yield video


def test_it_is_a_codec(codec: WanCodec) -> None:
    assert isinstance(codec, LatentCodec)


def test_decoding_is_that_of_diffusers(codec: WanCodec) -> None:
    expected = codec.vae.decode(raw(codec, latents(2))).sample.transpose(1, 2)
    video = codec.decode(latents(2))
    assert video.shape == (2, codec.video_frames(7), 3, 16, 32)
    assert_close(video, expected, atol=1e-4, rtol=0)
    assert video.abs().max() <= 1


def test_gradients_are_those_of_diffusers(codec: WanCodec) -> None:
    """Losses may climb a reward through the decoder."""
    leaves = [latents(frames=3).requires_grad_() for _ in range(2)]
    videos = codec.decode(leaves[0]), codec.vae.decode(raw(codec, leaves[1])).sample.transpose(1, 2)
    for video in videos:
        (video * torch.linspace(-1, 1, 32)).sum().backward()
    assert leaves[0].grad is not None
    assert leaves[0].grad.abs().max() > 0
    assert_close(leaves[0].grad, leaves[1].grad, atol=1e-4, rtol=1e-3)


def test_encoding_is_that_of_diffusers(codec: WanCodec) -> None:
    video = tiny.normal(2, 9, 3, 16, 32).clamp(-1, 1)
    expected = codec.vae.encode(video.transpose(1, 2)).latent_dist.mode()
    assert_close(raw(codec, codec.encode(video)), expected, atol=1e-5, rtol=0)


@settings(max_examples=6)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_chunks_decode_to_the_whole_exactly(sizes: list[int]) -> None:
    codec = small_codec()
    clean = latents(frames=sum(sizes))
    parts = list(decoded(codec, clean, sizes))
    assert [part.shape[1] for part in parts] == [4 * sizes[0] - 3, *(4 * size for size in sizes[1:])]
    assert torch.equal(torch.cat(parts, 1), codec.decode(clean))


def test_chunks_of_three(codec: WanCodec) -> None:
    assert [part.shape[1] for part in decoded(codec, latents(frames=9), [3, 3, 3])] == [9, 12, 12]


@pytest.mark.parametrize("sizes", [[1, 4, 4], [5, 4], [1, 8], [9]])
def test_parts_encode_to_the_whole_exactly(codec: WanCodec, sizes: list[int]) -> None:
    video = tiny.normal(1, 9, 3, 16, 16).clamp(-1, 1)
    whole, parts, past = codec.encode(video), [], None
    for part in video.split(sizes, 1):
        made, past = codec.encode_next(part, past)
        parts.append(made)
    assert torch.equal(torch.cat(parts, 1), whole)
    assert torch.equal(torch.cat(list(codec.encode_parts(iter(video.split(sizes, 1)))), 1), whole)


def test_streams_side_by_side_do_not_meet(codec: WanCodec) -> None:
    first, second = latents(seed=1), latents(seed=2)
    alone = [list(decoded(codec, clean, [3, 3, 1])) for clean in (first, second)]
    together = list(zip(decoded(codec, first, [3, 3, 1]), decoded(codec, second, [3, 3, 1]), strict=True))
    for (one, other), one_alone, other_alone in zip(together, *alone, strict=True):
        assert torch.equal(one, one_alone)
        assert torch.equal(other, other_alone)


def test_a_batch_is_its_videos(codec: WanCodec) -> None:
    clean = latents(3)
    singles = torch.cat([codec.decode(video) for video in clean.split(1)])
    assert_close(codec.decode(clean), singles, atol=1e-4, rtol=0)


def test_a_past_is_a_value_and_does_not_grow(codec: WanCodec) -> None:
    _, start = codec.decode_next(latents(frames=3))
    first, after = codec.decode_next(latents(seed=3), start)
    again, _ = codec.decode_next(latents(seed=3), start)
    assert torch.equal(first, again)
    assert after.bytes == codec.decode_next(latents(seed=4), after)[1].bytes > 0


def test_a_past_can_be_saved(codec: WanCodec, tmp_path: Any) -> None:
    _, past = codec.decode_next(latents(frames=3))
    torch.save(list(past.features), tmp_path / "past.pt")
    loaded = Past(tuple(torch.load(tmp_path / "past.pt", weights_only=True)))
    assert torch.equal(codec.decode_next(latents(), loaded)[0], codec.decode_next(latents(), past)[0])


def test_memory_of_a_stream_is_foreseen(codec: WanCodec) -> None:
    _, past = codec.decode_next(latents(frames=3))
    assert stream_bytes(16, 32, sizes={"base_dim": 4}) == past.bytes
    assert stream_bytes(16, 32, dtype="bfloat16", sizes={"base_dim": 4}) == past.bytes / 2
    assert codec.decode_next(latents(2))[1].bytes == 2 * past.bytes


def test_memory_of_a_stream_at_real_size() -> None:
    """The 32 layers' channels and sizes as in the released decoder."""
    layers = [(16, 1, 8), (384, 11, 8), (192, 1, 4), (384, 6, 4), (192, 6, 2), (96, 7, 1)]
    elements = sum(channels * 2 * (480 // scale) * (832 // scale) * count for channels, count, scale in layers)
    assert elements == pytest.approx(945e6, rel=0.001)
    assert stream_bytes(480, 832, dtype="bfloat16") == 2 * elements


@pytest.mark.parametrize("frames", [2, 4, 8])
def test_frames_that_do_not_divide(codec: WanCodec, frames: int) -> None:
    with pytest.raises(ValueError, match=f"codec: the clip has {frames} frames; Wan takes 1 . 4 n"):
        codec.encode(torch.zeros(1, frames, 3, 16, 16))


def test_parts_that_do_not_fit(codec: WanCodec) -> None:
    _, past = codec.encode_next(torch.zeros(1, 1, 3, 16, 16))
    with pytest.raises(ValueError, match="5 frames of 16 x 16; allowed: 4 n frames"):
        codec.encode_next(torch.zeros(1, 5, 3, 16, 16), past)
    with pytest.raises(ValueError, match="1 frames of 12 x 16; allowed: 1 . 4 n frames, rows and columns"):
        codec.encode(torch.zeros(1, 1, 3, 12, 16))


def test_a_past_of_another_stream(codec: WanCodec) -> None:
    _, past = codec.decode_next(latents(2))
    message = r"another stream's: batch, channels, height, width \[2, 16, 2, 4\]; the next frames are \[1, 16, 2, 4\]"
    with pytest.raises(ValueError, match=message):
        codec.decode_next(latents(1), past)
    with pytest.raises(ValueError, match=r"the next frames are \[2, 3, 16, 32\]"):
        codec.encode_next(torch.zeros(2, 4, 3, 16, 32), past)


@pytest.mark.parametrize("sizes", [{"is_residual": True}, {"patch_size": 2}])
def test_another_autoencoder_is_refused(sizes: dict[str, Any]) -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae = AutoencoderKLWan(base_dim=4, **sizes)
    with pytest.raises(ValueError, match=f"codec: {next(iter(sizes))} is .*; allowed: that of Wan2.1's autoencoder"):
        WanCodec(vae)


def test_nothing_to_do(codec: WanCodec) -> None:
    _, past = codec.encode_next(torch.zeros(1, 1, 3, 16, 16))
    with pytest.raises(ValueError, match="the next part of the stream is 0 frames of 16 x 16; allowed: 4 n frames"):
        codec.encode_next(torch.zeros(1, 0, 3, 16, 16), past)
    with pytest.raises(ValueError, match="there are no latent frames to decode"):
        codec.decode_next(latents(frames=0))


def test_half_precision_inside_full_outside() -> None:
    exact, half = small_codec(), small_codec().to(torch.bfloat16)
    video = half.decode(latents())
    assert video.dtype == half.encode(video[:, :5]).dtype == torch.float32
    assert (video - exact.decode(latents())).abs().mean() < 0.02
