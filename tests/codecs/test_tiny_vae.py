from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.codecs.tiny_vae import MemBlock, TGrow, TinyCodec, TinyPast, TPool, load_tiny_codec
from tests import tiny

WIDTHS = (8, 6, 4, 4)


def codec(seed: int = 0) -> TinyCodec:
    torch.manual_seed(seed)
    return TinyCodec(widths=WIDTHS).requires_grad_(requires_grad=False).eval()


def whole(layers: torch.nn.Sequential, clip: Tensor) -> Tensor:
    """The same layers over a whole clip at once: an independent reference."""
    for layer in layers:
        batch, frames = clip.shape[:2]
        if isinstance(layer, MemBlock):
            before = functional.pad(clip, (0, 0, 0, 0, 0, 0, 1, 0))[:, :frames]
            clip = torch.relu(layer.conv(torch.cat([clip, before], 2).flatten(0, 1)).view_as(clip) + clip)
        elif isinstance(layer, TPool):
            made = layer.conv(clip.reshape(-1, clip.shape[2] * layer.frames, *clip.shape[3:]))
            clip = made.unflatten(0, (batch, -1))
        elif isinstance(layer, TGrow):
            made = layer.conv(clip.flatten(0, 1))
            clip = made.reshape(batch, frames * layer.frames, -1, *made.shape[2:])
        else:
            clip = layer(clip.flatten(0, 1)).unflatten(0, (batch, frames))
    return clip


def test_it_is_a_codec_with_the_public_names() -> None:
    assert isinstance(codec(), LatentCodec)
    names = set(TinyCodec().state_dict())
    assert {"encoder.0.weight", "encoder.2.conv.weight", "encoder.3.weight", "encoder.4.conv.0.weight"} <= names
    assert {"decoder.1.weight", "decoder.3.conv.4.bias", "decoder.7.conv.weight", "decoder.8.weight"} <= names
    assert {"decoder.13.conv.weight", "decoder.19.conv.weight", "decoder.20.weight", "decoder.22.bias"} <= names
    assert TinyCodec().state_dict()["decoder.19.conv.weight"].shape == (128, 64, 1, 1)


def test_decoding_is_that_of_the_whole_clip() -> None:
    clean = tiny.normal(2, 4, 16, 2, 3)
    expected = whole(codec().decoder, clean)[:, 3:].clamp(0, 1) * 2 - 1
    video = codec().decode(clean)
    assert video.shape == (2, codec().video_frames(4), 3, 16, 24)
    assert_close(video, expected, atol=1e-5, rtol=0)


def test_encoding_is_that_of_the_whole_clip() -> None:
    video = tiny.normal(1, 8, 3, 16, 16).clamp(-1, 1)
    assert_close(codec().encode(video), whole(codec().encoder, (video + 1) / 2), atol=1e-5, rtol=0)


def test_short_clips_are_filled_with_their_last_frame() -> None:
    video = tiny.normal(1, 5, 3, 8, 8).clamp(-1, 1)
    filled = torch.cat([video, video[:, -1:].expand(-1, 3, -1, -1, -1)], 1)
    assert torch.equal(codec().encode(video), codec().encode(filled))


@pytest.mark.parametrize("sizes", [[9], [1, 8], [5, 4], [3, 3, 3], [4, 4, 1]])
def test_parts_encode_to_the_whole_exactly(sizes: list[int]) -> None:
    video = tiny.normal(2, 9, 3, 8, 16).clamp(-1, 1)
    parts = list(codec().encode_parts(iter(video.split(sizes, 1))))
    assert torch.equal(torch.cat(parts, 1), codec().encode(video))
    assert all(part.shape[1] for part in parts)


def test_what_is_encoded_is_not_kept() -> None:
    """Latents come while the video does: eight frames are there before the second eight are asked for."""
    asked = []

    def parts() -> Iterator[Tensor]:
        for number in range(3):
            asked.append(number)
            yield tiny.normal(1, 8, 3, 8, 8, seed=number)

    latents = codec().encode_parts(parts())
    assert next(latents).shape[1] == 2
    assert asked == [0]


@pytest.mark.parametrize("sizes", [[3, 3, 1], [1, 6], [7], [2, 2, 2, 1]])
def test_chunks_decode_to_the_whole_exactly(sizes: list[int]) -> None:
    clean, past, parts = tiny.normal(1, 7, 16, 2, 2), None, []
    for part in clean.split(sizes, 1):
        video, past = codec().decode_next(part, past)
        parts.append(video)
    assert [part.shape[1] for part in parts] == [4 * sizes[0] - 3, *(4 * size for size in sizes[1:])]
    assert torch.equal(torch.cat(parts, 1), codec().decode(clean))


def test_streams_side_by_side_do_not_meet() -> None:
    clips = [tiny.normal(1, 4, 16, 2, 2, seed=seed) for seed in (1, 2)]
    pasts: list[TinyPast | None] = [None, None]
    parts: list[list[Tensor]] = [[], []]
    for start in (0, 2):
        for stream, clip in enumerate(clips):
            video, pasts[stream] = codec().decode_next(clip[:, start : start + 2], pasts[stream])
            parts[stream].append(video)
    for part, clip in zip(parts, clips, strict=True):
        assert torch.equal(torch.cat(part, 1), codec().decode(clip))


def test_a_batch_is_its_videos() -> None:
    clean = tiny.normal(3, 4, 16, 2, 2)
    assert_close(codec().decode(clean), torch.cat([codec().decode(one) for one in clean.split(1)]), atol=1e-6, rtol=0)


def test_a_past_is_a_value_and_does_not_grow() -> None:
    _, start = codec().decode_next(tiny.normal(1, 2, 16, 2, 2))
    first, after = codec().decode_next(tiny.normal(1, 3, 16, 2, 2, seed=1), start)
    again, _ = codec().decode_next(tiny.normal(1, 3, 16, 2, 2, seed=1), start)
    assert torch.equal(first, again)
    held = sum(frame.untyped_storage().nbytes() for frame in after.frames)
    assert start.bytes == after.bytes == held > 0, "views would keep more alive than they show"


def test_memory_of_a_stream_at_real_size() -> None:
    """Three memory blocks a level: 34 million elements, where the large autoencoder has 945."""
    levels = [(256, 8), (128, 4), (64, 2)]
    elements = sum(3 * width * (480 // scale) * (832 // scale) for width, scale in levels)
    with torch.device("meta"):
        _, past = TinyCodec().half().decode_next(torch.empty(1, 1, 16, 60, 104))
    assert past.bytes == 2 * elements == 67_092_480


def test_what_cannot_be_decoded() -> None:
    clean = tiny.normal(2, 1, 16, 2, 2)
    _, past = codec().decode_next(clean)
    with pytest.raises(ValueError, match=r"another stream's: batch, height, width \[2, 2, 2\]; .* are \[1, 2, 2\]"):
        codec().decode_next(clean[:1], past)
    with pytest.raises(ValueError, match="there are no latent frames to decode"):
        codec().decode(clean[:, :0])


def test_files_come_back(tmp_path: Path) -> None:
    torch.save(codec().state_dict(), tmp_path / "taew2_1.pth")
    clean = tiny.normal(1, 2, 16, 2, 2)
    assert torch.equal(load_tiny_codec(tmp_path / "taew2_1.pth").decode(clean), codec().decode(clean))


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    state = codec().state_dict()
    del state["decoder.22.bias"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth does not fit TinyCodec: 1 missing, first decoder\.22\.bias"):
        load_tiny_codec(tmp_path / "a.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match="is not the tiny autoencoder of Wan latents; its first is x"):
        load_tiny_codec(tmp_path / "b.pth")
    with pytest.raises(ValueError, match="is not there; allowed: taew2_1.pth"):
        load_tiny_codec(tmp_path / "none.pth")


def test_sizes_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="the video is 12 x 16; rows and columns must be multiples of 8"):
        codec().encode(torch.zeros(1, 4, 3, 12, 16))
