"""Clips come back level by level; pictures show the frames they say."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from reward_forcing.videos import (
    LABEL_HEIGHT,
    Clip,
    ClipWriter,
    Probe,
    filmstrip,
    probe,
    read_clip,
    read_pieces,
    spread,
    to_float,
    to_uint8,
    write_clip,
    write_filmstrip,
    write_gif,
)


def noise(frames: int, height: int = 32, width: int = 32) -> torch.Tensor:
    shape = (frames, 3, height, width)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(frames)).to(torch.uint8)


@pytest.mark.parametrize(("frames", "height", "width", "fps"), [(1, 32, 32, 16), (7, 20, 46, 8), (3, 33, 17, 29.97)])
def test_a_clip_comes_back_exactly(tmp_path: Path, frames: int, height: int, width: int, fps: float) -> None:
    clip = Clip(noise(frames, height, width), fps)
    write_clip(tmp_path / "made" / "clip.mkv", clip)
    back = read_clip(tmp_path / "made" / "clip.mkv")
    assert torch.equal(back.frames, clip.frames)
    assert back.fps == pytest.approx(fps, rel=1e-3)


def test_a_clip_may_be_written_in_pieces(tmp_path: Path) -> None:
    frames = noise(9)
    with ClipWriter(tmp_path / "clip.mkv", 16) as writer:
        for part in (frames[:4], frames[4:5], frames[5:]):
            writer.write(part)
    assert torch.equal(read_clip(tmp_path / "clip.mkv").frames, frames)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_the_same_frames_make_the_same_file(ending: str, tmp_path: Path) -> None:
    clip = Clip(noise(4), 8.0)
    for name in ("one", "other"):
        write_clip(tmp_path / f"{name}{ending}", clip)
    assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"other{ending}").read_bytes()


def test_what_was_written_before_an_error_is_readable(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ClipWriter(tmp_path / "clip.mkv", 16) as writer:
            writer.write(noise(4))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.equal(read_clip(tmp_path / "clip.mkv").frames, noise(4))


def test_levels_survive_the_models_range() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert to_float(levels).min() == -1
    assert to_float(levels).max() == 1
    assert (to_uint8(torch.full((1, 3, 1, 1), 1.7)) == 255).all()


@pytest.mark.parametrize("content", [b"", b"this is not a video"])
def test_unreadable_videos_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mkv").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.mkv"):
        read_clip(tmp_path / "broken.mkv")


def test_missing_videos_and_impossible_speeds_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.mkv"):
        read_clip(tmp_path / "missing.mkv")
    with pytest.raises(ValueError, match="fps is 0"):
        ClipWriter(tmp_path / "clip.mkv", 0)


def test_a_clip_without_frames_is_named(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "empty.mkv", 16):
        pass
    with pytest.raises(ValueError, match=r"empty\.mkv"):
        read_clip(tmp_path / "empty.mkv")


def test_gifs_have_all_frames_at_the_right_speed(tmp_path: Path) -> None:
    write_gif(tmp_path / "clip.gif", Clip(noise(5), 10), scale=2)
    with Image.open(tmp_path / "clip.gif") as picture:
        assert (len(list(ImageSequence.Iterator(picture))), picture.size, picture.info["duration"]) == (
            5,
            (64, 64),
            100,
        )


@given(frames=st.integers(1, 400), count=st.integers(1, 20))
@settings(max_examples=50)
def test_spread_indices_are_distinct_and_inside(frames: int, count: int) -> None:
    indices = spread(frames, count)
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert len(indices) == min(frames, count)
    assert indices[-1] == (frames - 1 if count > 1 else 0)


def test_filmstrips_show_the_frames_they_name(tmp_path: Path) -> None:
    clip = Clip(noise(8), 4)
    strip = filmstrip(clip, [0, 5], scale=1)
    assert strip.size == (2 * 32 + 2, 32 + LABEL_HEIGHT)
    shown = strip.crop((34, LABEL_HEIGHT, 66, LABEL_HEIGHT + 32))
    expected = Image.fromarray(clip.frames[5].permute(1, 2, 0).numpy())
    assert shown.tobytes() == expected.tobytes()
    write_filmstrip(tmp_path / "made" / "strip.png", clip, count=4, scale=2)
    with Image.open(tmp_path / "made" / "strip.png") as picture:
        assert picture.size == (4 * 66 - 2, 64 + LABEL_HEIGHT)


@pytest.mark.parametrize("size", [1, 4, 5, 100])
def test_pieces_are_the_clip(tmp_path: Path, size: int) -> None:
    path = tmp_path / "clip.mkv"
    frames = noise(9, 6, 10)
    write_clip(path, Clip(frames, 8.0))
    pieces = list(read_pieces(path, size))
    assert torch.equal(torch.cat(pieces), frames)
    assert all(len(piece) == size for piece in pieces[:-1])


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_file_is_known_without_decoding_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"clip{ending}"
    write_clip(path, Clip(torch.zeros(11, 3, 6, 10, dtype=torch.uint8), 16.0))
    found = probe(path)
    assert found == Probe(frames=11, height=6, width=10, fps=found.fps, steady=True)
    assert found.fps == pytest.approx(16, rel=0.02)


def test_an_unsteady_video_is_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "unsteady.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 8, 8, "bgr0"
        for time in (0, 1, 2, 6, 7):
            frame = av.VideoFrame.from_ndarray(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy(), format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = probe(path)
    assert (found.frames, found.steady) == (5, False)
