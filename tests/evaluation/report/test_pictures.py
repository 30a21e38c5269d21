"""Pictures carry the frames they stand for; which videos are shown follows a rule."""

import base64
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.measure import discover
from evaluation.report.pictures import (
    GAP,
    LARGEST_SIDE,
    MOVING_FRAMES,
    choose_videos,
    fit,
    frames_at,
    moving,
    show,
    still,
)
from evaluation.summary import summarise
from evaluation.table import Record
from reward_forcing.videos import Clip, read_clip, write_clip
from tests.evaluation.made import MOVING, record, truth


def opened(address: str) -> Image.Image:
    head, content = address.split(",", 1)
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_still_shows_its_frames_side_by_side() -> None:
    frames = truth(4)[0]
    picture = np.asarray(opened(still(frames[[0, 3]])))
    assert picture.shape == (32, 2 * (32 + GAP), 3)
    assert np.array_equal(picture[:, :32], frames[0].permute(1, 2, 0))
    assert np.array_equal(picture[:, 33:65], frames[3].permute(1, 2, 0))
    assert (picture[:, 32] == 255).all()


def played(address: str) -> Clip:
    head, content = address.split(",", 1)
    assert head == "data:video/mp4;base64"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        path.write_bytes(base64.b64decode(content))
        return read_clip(path)


def test_a_film_shows_its_frames_enlarged_at_their_pace() -> None:
    clip = Clip(truth(6)[0], 8.0)
    film = played(moving(clip))
    assert film.fps == pytest.approx(8, rel=0.01)
    assert film.frames.shape == (6, 3, 128, 128)
    small = film.frames.float().unfold(2, 4, 4).unfold(3, 4, 4).mean((-2, -1))
    assert (small - clip.frames.float()).abs().mean() < 6


def test_films_of_odd_sizes_can_be_played() -> None:
    assert played(moving(Clip(torch.zeros(2, 3, 131, 77, dtype=torch.uint8), 8.0))).frames.shape == (2, 3, 132, 78)


def test_long_films_skip_frames_and_keep_the_pace() -> None:
    frames = torch.arange(MOVING_FRAMES + 10).to(torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
    film = played(moving(Clip(frames, 8.0)))
    assert len(film.frames) == (MOVING_FRAMES + 10) // 2
    assert film.fps == pytest.approx(4, rel=0.01)


def test_the_same_frames_give_the_same_film() -> None:
    clip = Clip(truth(9)[0], 8.0)
    assert moving(clip) == moving(clip)


def test_large_frames_become_smaller() -> None:
    frames = torch.zeros(1, 3, LARGEST_SIDE, 2 * LARGEST_SIDE, dtype=torch.uint8)
    assert fit(frames).shape[-2:] == (LARGEST_SIDE // 2, LARGEST_SIDE)
    assert fit(frames[..., :32, :32]).shape[-2:] == (32, 32)


def test_after_the_end_of_a_video_it_is_white() -> None:
    frames = truth(3)[0]
    shown = frames_at(frames, [0, 2, 7])
    assert torch.equal(shown[:2], frames[[0, 2]])
    assert (shown[2] == 255).all()


def study(gains: list[float]) -> list[Record]:
    ours = [record("ema", seed, {"net_displacement": gain}) for seed, gain in enumerate(gains)]
    return [*[record("none", seed, {"net_displacement": 0.0}) for seed in range(len(gains))], *ours]


@pytest.mark.parametrize(
    ("gains", "seeds"),
    [([0, 1, 2, -3, 9, 4], [0, 1, 4, 3]), ([9, -9, 1, 2], [0, 1]), ([1, 2, float("nan"), 5], [0, 1, 3]), ([1], [0])],
)
def test_the_first_then_the_extremes_are_chosen(gains: list[float], seeds: list[int]) -> None:
    records = study(gains)
    assert [choice.seed for choice in choose_videos(records, summarise(records, discover()))] == seeds


def test_one_cell_alone_shows_its_first_videos() -> None:
    records = [r for r in study([1, 2, 3]) if r.cell == "ema"]
    assert [choice.seed for choice in choose_videos(records, summarise(records, discover()))] == [0, 1]


def test_strips_stand_at_common_times_and_missing_videos_are_left_out(tmp_path: Path) -> None:
    records = [
        record(cell, 5, {"net_displacement": 1.0}, prompt=MOVING[0], video=f"{cell}.mkv", frames=frames)
        for cell, frames in (("none", 24), ("ema", 24), ("teacher", 12), ("lost", 24))
    ]
    for cell, frames in (("none", 24), ("ema", 24), ("teacher", 12)):
        write_clip(tmp_path / f"{cell}.mkv", Clip(truth(frames)[0], 8.0))
    choice = choose_videos(records, summarise(records, discover()))[0]
    shown = show(choice, records, tmp_path)
    assert shown is not None
    assert [strip.cell for strip in shown.strips] == ["none", "ema", "teacher", "truth"]
    assert shown.seconds[0] == 0
    assert shown.seconds[-1] == pytest.approx(23 / 8)
    last = np.asarray(opened(shown.strips[2].still))[:, -33:-1]
    assert (last == 255).all()
    first = np.asarray(opened(shown.strips[2].still))[:, :32]
    assert np.array_equal(first, read_clip(tmp_path / "teacher.mkv").frames[0].permute(1, 2, 0))
    assert show(choice, records, tmp_path / "elsewhere") is None
