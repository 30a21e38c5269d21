"""Frames for the judge: VideoAlign's sampling and sizes, and transformers' own processor on the same frames."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reward_forcing.rewards.video_align import frames


def video(batch: int = 2, count: int = 4, height: int = 120, width: int = 160) -> Tensor:
    return torch.rand(batch, count, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@given(st.integers(1, 4000), st.sampled_from([8.0, 15.0, 16.0, 24.0, 30.0]))
def test_frames_are_even_in_number_and_reach_both_ends(total: int, fps: float) -> None:
    chosen = frames.sampled(total, fps)
    assert chosen[0] == 0
    assert chosen[-1] == total - 1 or total == 1
    assert chosen == sorted(chosen)
    assert len(chosen) % 2 == 0 or total == 1
    assert min(4, total // 2 * 2, 768) <= len(chosen) <= min(768, total)
    if 4 * fps / 2 <= total <= 700 * fps / 2:
        assert abs(len(chosen) - total / fps * 2) <= 1


def test_a_clip_of_five_seconds_gives_ten_frames() -> None:
    assert len(frames.sampled(81, 16)) == 10
    assert frames.sampled(3, 16) == [0, 2]
    assert frames.sampled(1, 16) == [0]


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((480, 832), (336, 588)), ((832, 480), (588, 336)), ((720, 1280), (336, 588)), ((448, 448), (448, 448))],
)
def test_sizes(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert frames.resized_size(*size) == wanted


@given(st.integers(16, 1200), st.integers(16, 1200))
def test_sizes_keep_to_the_limits(height: int, width: int) -> None:
    rows, columns = frames.resized_size(height, width)
    assert rows % 28 == columns % 28 == 0
    assert frames.LEAST_PIXELS <= rows * columns <= frames.MOST_PIXELS


def test_levels_are_whole_and_in_range() -> None:
    found = frames.levels(video() * 3)
    assert found.min() == 0
    assert found.max() == 255
    assert torch.equal(found, found.round())
    grey = frames.levels(torch.zeros(1, 2, 3, 120, 160))
    assert grey.unique().tolist() == [128]


def test_official_levels_are_not_shifted() -> None:
    found = frames.official_levels(torch.full((1, 2, 3, 120, 160), -1.0))
    assert torch.allclose(found, torch.full_like(found, -255), atol=1e-3)


@pytest.mark.parametrize("count", [4, 5])
def test_patches_equal_those_of_transformers(count: int) -> None:
    from transformers import Qwen2VLVideoProcessor

    levels = frames.levels(video(count=count))
    processor = Qwen2VLVideoProcessor(cap_pixels_per_frame=False, do_resize=False)
    wanted = processor(list(levels), return_tensors="pt")
    patches, grids = frames.patches(levels)
    assert torch.equal(grids, wanted["video_grid_thw"])
    assert torch.allclose(patches, wanted["pixel_values_videos"], atol=1e-5)
    assert frames.tokens_of(grids) == grids[0].prod() // 4


def test_levels_are_what_transformers_makes_of_a_file() -> None:
    """Whole levels in, resized there: its fixed-point arithmetic differs by one level at most (away from clipping)."""
    from transformers import Qwen2VLVideoProcessor

    size = {"shortest_edge": frames.LEAST_PIXELS, "longest_edge": frames.MOST_PIXELS}
    processor = Qwen2VLVideoProcessor(cap_pixels_per_frame=False, size=size)
    across, down = torch.linspace(0, 9, 160), torch.linspace(0, 7, 120)[:, None]
    raw = 0.9 * torch.stack([(across * part + down).sin() for part in range(1, 25)]).reshape(2, 4, 3, 120, 160)
    whole = ((raw + 1) * 127.5).round().to(torch.uint8)
    wanted = processor(list(whole), return_tensors="pt")["pixel_values_videos"]
    found, _ = frames.patches(frames.levels(raw))
    assert (found - wanted).abs().max() <= 1.01 / 255 / min(frames.DEVIATION)
    assert (found - wanted).abs().mean() < 4e-3, "rounded once here, after each direction there"
