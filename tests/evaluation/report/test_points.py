"""Small pictures: PNGs that are small, the same every time, and as large as what they show."""

import io
import math

import pytest
import torch
from PIL import Image

from evaluation.report.points import Panel, points, strips
from evaluation.summary import Estimate
from reward_forcing.videos import Clip
from tests.evaluation.made import FPS, truth


def panel(cells: int, mean: float = 0.5) -> Panel:
    values = {f"cell {i}": Estimate(mean + i, mean + i - 0.2, mean + i + 0.2, 24) for i in range(cells)}
    return Panel("palette drift", "last third, ↓", values, {"truth": 0.0})


def size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_more_metrics_are_wider_and_more_cells_higher() -> None:
    width, height = size(points([panel(2)]))
    wider, same = size(points([panel(2), panel(2)]))
    assert wider > width
    assert same == height
    assert size(points([panel(9)]))[1] > height


def test_pictures_are_small_and_the_same_every_time() -> None:
    once = points([panel(17)] * 4)
    assert once == points([panel(17)] * 4)
    assert len(once) < 300_000


def test_other_values_are_another_picture() -> None:
    assert points([panel(2)]) != points([panel(2, 0.6)])


def test_a_single_prompt_has_no_interval() -> None:
    alone = Panel("a", "", {"only": Estimate(0.5, math.nan, math.nan, 1)}, {})
    assert size(points([alone]))[0] > 0


@pytest.mark.parametrize("cells", [1, 12])
def test_strips_show_every_cell(cells: int) -> None:
    (frames,) = truth(60, ["red circle fast pan-fast"])
    shown = strips({f"cell {i}": Clip(frames, FPS) for i in range(cells)}, "a prompt")
    assert len(shown) < 300_000
    assert size(shown)[1] > 50 * cells


def test_shorter_videos_end_in_white() -> None:
    (frames,) = truth(60, ["red circle fast pan-fast"])
    whole, cut = Clip(frames, FPS), Clip(frames[:10], FPS)
    black = Clip(torch.zeros_like(frames), FPS)
    assert len(strips({"a": whole, "b": cut}, "")) < len(strips({"a": whole, "b": whole}, ""))
    assert strips({"a": whole}, "") != strips({"a": black}, "")
