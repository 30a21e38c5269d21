import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from evaluation.networks.frames import CLIP, IMAGENET, middle_frames, normalised, square
from tests.evaluation.networks.filling import noise


@given(total=st.integers(1, 300), count=st.integers(1, 32))
def test_middle_frames_lie_in_their_parts(total: int, count: int) -> None:
    """A part of a long video holds the numbers from n total / count to (n + 1) total / count."""
    chosen = middle_frames(total, count)
    assert len(chosen) == count
    assert chosen == sorted(chosen)
    if total < count:
        assert chosen == [min(frame, total - 1) for frame in range(count)]
    for part, frame in enumerate(chosen[: min(count, total)]):
        parts = min(total, count)
        start, end = int(part * total / parts + 1e-9), int((part + 1) * total / parts + 1e-9)
        assert start <= frame < end
        assert abs((frame - start) - (end - 1 - frame)) <= 1


def test_every_frame_of_a_video_of_just_that_length() -> None:
    assert middle_frames(8, 8) == list(range(8))


def test_no_frames() -> None:
    with pytest.raises(ValueError, match="the video has 0 frames; at least 1 is needed"):
        middle_frames(0, 8)


@pytest.mark.parametrize(("height", "width"), [(4, 7), (7, 4), (4, 4)])
def test_a_frame_of_the_right_size_is_only_cut(height: int, width: int) -> None:
    frames = noise(2, 3, height, width)
    top, left = round((height - 4) / 2), round((width - 4) / 2)
    for mode in ("bilinear", "bicubic"):
        cut = square(frames, shorter=4, side=4, mode=mode)
        assert torch.equal(cut, frames[..., top : top + 4, left : left + 4])


def test_halving_means_over_neighbours() -> None:
    """Halfway between pixel centres, bilinear is the mean of 2 x 2; without antialias a third of the size picks."""
    frames = torch.tensor([[0, 10, 20, 30], [2, 12, 22, 33]], dtype=torch.uint8).expand(1, 3, 2, 4)
    assert square(frames, shorter=1, side=1, mode="bilinear")[0, 0].tolist() == [[6]]
    wide = noise(1, 3, 3, 9)
    picked = square(wide, shorter=1, side=1, mode="bilinear")
    assert torch.equal(picked, wide[..., 1:2, 4:5])


def test_bicubic_stays_within_the_levels() -> None:
    """Around an edge bicubic overshoots; levels do not wrap round."""
    frames = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    frames[..., 4:] = 255
    enlarged = square(frames, shorter=16, side=16, mode="bicubic")[0, 0, 0]
    assert enlarged[:6].max() == 0
    assert enlarged[10:].min() == 255
    assert (enlarged.int().diff() >= 0).all()


def test_the_longer_side_is_cut_to_an_integer() -> None:
    """100 x 57 becomes 224 x 392.98: 392, so that the centre starts at row 84."""
    frames = torch.arange(100, dtype=torch.uint8)[None, None, :, None].expand(1, 3, 100, 57)
    rows = square(frames, shorter=224, side=224, mode="bilinear")[0, 0, :, 0]
    expected = (torch.arange(84, 84 + 224) + 0.5) * 100 / 392 - 0.5
    assert_close(rows.float(), expected.clamp(0, 99), atol=0.51, rtol=0)


def test_a_square_larger_than_the_frame() -> None:
    with pytest.raises(ValueError, match=r"side is 256; it must be at most shorter \(224\)"):
        square(noise(1, 3, 8, 8), shorter=224, side=256, mode="bilinear")


@pytest.mark.parametrize("statistics", [IMAGENET, CLIP])
def test_the_mean_is_zero_and_the_deviation_one(statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    mean, std = (torch.tensor(values) for values in statistics)
    frames = noise(1, 3, 2, 2)
    back = normalised(frames, statistics) * std[:, None, None] + mean[:, None, None]
    assert_close(back * 255, frames.float())
