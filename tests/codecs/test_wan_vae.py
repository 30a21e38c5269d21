from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.codecs.wan_vae import Past, WanCodec
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
    return clean.transpose(1, 2) * codec.std + codec.mean


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
    assert_close(torch.cat(parts, 1), whole, atol=1e-6, rtol=0)


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


def test_memory_of_a_stream_at_real_size() -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae = AutoencoderKLWan()
        features: Any = [None] * 40
        for first in (True, False, False):
            vae.decoder(torch.empty(1, 16, 1, 60, 104), feat_cache=features, feat_idx=[0], first_chunk=first)
    elements = sum(feature.numel() for feature in features if isinstance(feature, Tensor))
    assert elements == pytest.approx(945e6, rel=0.01)


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


def test_half_precision_inside_full_outside() -> None:
    exact, half = small_codec(), small_codec().to(torch.bfloat16)
    video = half.decode(latents())
    assert video.dtype == half.encode(video[:, :5]).dtype == torch.float32
    assert (video - exact.decode(latents())).abs().mean() < 0.02
