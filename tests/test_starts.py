import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from reward_forcing import starts
from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.shapes import Geometry
from reward_forcing.starts import Start, cropped, encode_start, regrouped
from reward_forcing.streaming import load_streamer
from reward_forcing.videos import Clip, to_float, write_clip
from tests import small_runs, tiny
from tests.test_streaming import PROMPTS, notes, write_student

CPU = torch.device("cpu")
TOY = Geometry(channels=6, height=8, width=8, frames=21, chunk_frames=3)
WAN = Geometry(channels=16, height=4, width=4, frames=21, chunk_frames=3)


def toy_codec() -> ToyCodec:
    torch.manual_seed(0)
    return ToyCodec(channels=6, width=8).requires_grad_(requires_grad=False)


def tiny_codec() -> TinyCodec:
    torch.manual_seed(0)
    return TinyCodec(widths=(8, 6, 4, 4)).requires_grad_(requires_grad=False)


def write_frames(path: Path, count: int) -> Tensor:
    """A clip of 32 x 32, every frame another."""
    frames = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_clip(path, Clip(frames, 8))
    return frames


def test_a_picture_of_any_size_is_a_start(tmp_path: Path) -> None:
    Image.new("RGB", (50, 70), "red").save(tmp_path / "start.png")
    with pytest.warns(UserWarning, match=r"start.png is 70 x 50; videos are 32 x 32, so 13 of 45 rows and 0 of 32"):
        start = encode_start(tmp_path / "start.png", toy_codec(), TOY, batch=3, device=CPU)
    (latents,) = start.parts(3)
    assert (start.frames, latents.shape) == (1, (3, 1, 6, 8, 8))
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"broken.png: not a readable picture .* allowed: .png"):
        encode_start(tmp_path / "broken.png", toy_codec(), TOY, batch=1, device=CPU)
    (tmp_path / "broken.mkv").write_text("no clip")
    with pytest.raises(ValueError, match=r"broken.mkv: not a readable video"):
        encode_start(tmp_path / "broken.mkv", toy_codec(), TOY, batch=1, device=CPU)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 13, 26])
@pytest.mark.parametrize(("make", "geometry"), [(toy_codec, TOY), (tiny_codec, WAN)])
def test_a_clip_is_encoded_as_the_whole_would_be(make: Any, geometry: Geometry, count: int, tmp_path: Path) -> None:
    """As many frames as make whole latent frames, in chunks of three, a shorter one first."""
    codec, frames = make(), write_frames(tmp_path / "start.mkv", count)
    start = encode_start(tmp_path / "start.mkv", codec, geometry, batch=2, device=CPU)
    used = codec.video_frames(start.frames)
    assert used <= count < codec.video_frames(start.frames + 1)
    parts = list(start.parts(3))
    assert [part.shape[1] for part in parts] == [start.frames % 3] * bool(start.frames % 3) + [3] * (start.frames // 3)
    whole = codec.encode(to_float(frames[:used])[None])
    torch.testing.assert_close(torch.cat(parts, 1), whole.expand(2, -1, -1, -1, -1), atol=1e-5, rtol=1e-5)
    assert len(list(start.parts(3))) == len(parts), "it can be read again"


def test_a_long_clip_takes_no_more_frames_in_memory_than_a_short_one(tmp_path: Path) -> None:
    """Video frames that exist as tensors, counted whenever a chunk has been encoded: of 24 frames and of 120."""
    held = {}
    for count in (24, 120):
        write_frames(tmp_path / f"{count}.mkv", count)
        start = encode_start(tmp_path / f"{count}.mkv", toy_codec(), TOY, batch=1, device=CPU)
        gc.collect()
        before = living_frames()
        seen = [living_frames() - before for _ in start.parts(3)]
        assert len(seen) == count // 3
        held[count] = max(seen)
    assert 0 < held[120] <= held[24] <= 2 * (starts.READ_AT_ONCE + 3)


def test_latents_of_a_long_start_are_not_kept_either(tmp_path: Path) -> None:
    """All of the way, to pixels: the streams of a clip of 24 frames and of one of 96 hold as much."""
    small_runs.write_exports(tmp_path)
    streamer = load_streamer(write_student(tmp_path / "student.safetensors", notes()))
    held = {}
    for count in (24, 96):
        write_frames(tmp_path / f"{count}.mkv", count)
        start = encode_start(tmp_path / f"{count}.mkv", streamer.codec, streamer.geometry, batch=1, device=CPU)
        gc.collect()
        before, seen = living_numbers(), []
        for pixels in streamer.stream(PROMPTS[:1], [0], chunks=2, start=start):
            assert pixels.shape[1] == 3
            seen.append(living_numbers() - before)
        assert len(seen) == count // 3 + 2
        held[count] = max(seen[4:])
    assert 0 < held[96] <= 1.01 * held[24]


def living_numbers() -> int:
    """Numbers in all storages that can be reached."""
    found = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in gc.get_objects()
             if isinstance(one, Tensor)}  # fmt: skip
    return sum(found.values())


def living_frames() -> int:
    """Frames of 32 x 32 pixels in all tensors that can be reached; views count as much as what they are views of."""
    shapes = [found.shape for found in gc.get_objects() if isinstance(found, Tensor) and found.shape[-2:] == (32, 32)]
    return sum(shape.numel() // (3 * 32 * 32) for shape in shapes)


@given(st.lists(st.integers(1, 5), max_size=6), st.lists(st.integers(1, 5), max_size=4))
def test_groups_are_of_the_wanted_sizes_and_nothing_else_is_read(pieces: list[int], sizes: list[int]) -> None:
    total, read = sum(pieces), [0]
    frames = torch.arange(total, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1)

    def reading() -> Iterator[Tensor]:
        for piece in frames.split(pieces):
            read[0] += len(piece)
            yield piece

    wanted = [size for index, size in enumerate(sizes) if sum(sizes[: index + 1]) <= total]
    groups = list(regrouped(reading() if pieces else [], wanted))
    assert [len(group) for group in groups] == wanted
    assert [int(frame[0, 0, 0]) for group in groups for frame in group] == list(range(sum(wanted)))
    assert read[0] < sum(wanted) + max(pieces, default=1)


def test_latents_that_are_there_are_a_start() -> None:
    latents = tiny.latents(frames=5)
    assert torch.equal(torch.cat(list(Start.of(latents).parts(2)), 1), latents)
    assert [part.shape[1] for part in Start.of(latents).parts(2)] == [1, 2, 2]
    assert list(Start(0).parts(3)) == []


@given(st.integers(1, 60), st.integers(1, 60))
def test_any_shape_covers_the_picture(rows: int, columns: int) -> None:
    made = cropped(torch.full((2, 3, rows, columns), 0.25), 16, 24)
    assert made.shape == (2, 3, 16, 24)
    assert torch.allclose(made, torch.tensor(0.25)), "nothing is padded"


def test_the_middle_is_kept_and_the_sides_are_cut() -> None:
    wide = torch.zeros(1, 3, 4, 12)
    wide[..., 4:8] = 1
    assert torch.equal(cropped(wide, 4, 4), torch.ones(1, 3, 4, 4))


def test_nothing_is_said_of_pictures_that_fit(tmp_path: Path) -> None:
    picture = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(cropped(picture, 8, 12), picture)
    assert cropped(picture, 4, 6).shape == (1, 3, 4, 6)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "start.png")
    assert encode_start(tmp_path / "start.png", toy_codec(), TOY, batch=1, device=CPU).frames == 1
